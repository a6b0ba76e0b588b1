import { runService } from '@oo/service-host';
import { tipsConfig } from './config.js';
import { TipsModule } from './tips.module.js';

await runService({ name: 'tips', config: tipsConfig, modules: [TipsModule] });
