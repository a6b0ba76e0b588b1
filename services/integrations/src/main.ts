import { runService } from '@oo/service-host';
import { integrationsConfig } from './config.js';
import { IntegrationsModule } from './integrations.module.js';

await runService({ name: 'integrations', config: integrationsConfig, modules: [IntegrationsModule] });
