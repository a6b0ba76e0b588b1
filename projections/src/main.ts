import { runService } from '@oo/service-host';
import { projectionsConfig } from './configuration.js';
import { ProjectionsModule } from './projections.module.js';

await runService({ name: 'projections', config: projectionsConfig, modules: [ProjectionsModule] });
