import { hostConfig, runService } from '@oo/service-host';
import { ProfileModule } from './profile.module.js';

await runService({ name: 'profile', config: hostConfig, modules: [ProfileModule] });
