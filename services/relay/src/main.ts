import { hostConfig, runService } from '@oo/service-host';
import { RelayModule } from './relay.module.js';

await runService({ name: 'relay', config: hostConfig, modules: [RelayModule] });
