import { IntegrationsModule } from '@oo/integrations';
import { ProfileModule } from '@oo/profile';
import { runService } from '@oo/service-host';
import { SignalsModule } from '@oo/signals';
import { TipsModule, tipsConfig } from '@oo/tips';

// The command side in one process, for one machine. In a cluster each service runs alone from its own main.
await runService({
  name: 'handlers',
  config: tipsConfig,
  modules: [SignalsModule, TipsModule, ProfileModule, IntegrationsModule],
});
