import { hostConfig, runService } from '@oo/service-host';
import { SignalsModule } from './signals.module.js';

await runService({ name: 'signals', config: hostConfig, modules: [SignalsModule] });
