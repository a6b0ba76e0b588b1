import { hostConfig, runService } from '@oo/service-host';
import { IntegrationsModule } from './integrations.module.js';

await runService({ name: 'integrations', config: hostConfig, modules: [IntegrationsModule] });
