import { runService } from '@oo/service-host';
import { projectionsConfig } from './configuration.js';
import { ProjectionsModule } from './projections.module.js';
import { verifyCommand } from './verify-command.js';

const [verb, ...names] = process.argv.slice(2);
if (verb === 'verify') process.exitCode = await verifyCommand(names);
else await runService({ name: 'projections', config: projectionsConfig, modules: [ProjectionsModule] });
