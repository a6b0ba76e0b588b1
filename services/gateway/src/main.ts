import { ConfigError, createLog } from '@oo/service-host';
import { startGateway } from './gateway.js';

const EXIT_CONFIG = 78;
/** Longer than anything that it waits for at its start; whoever watches starts it again. */
const STARTED_WITHIN_MS = 60_000;
const log = createLog('gateway');
const crash = (err: unknown) => {
  log.fatal({ err }, 'nobody caught this; the process ends');
  process.exit(1);
};
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
try {
  const late = setTimeout(() => crash(new Error('it did not start in time')), STARTED_WITHIN_MS);
  const gateway = await startGateway();
  clearTimeout(late);
  const stop = () => {
    gateway.close().then(() => process.exit(0), crash);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
} catch (error) {
  if (!(error instanceof ConfigError)) crash(error);
  else {
    log.fatal({ problems: error.problems }, 'the configuration is not valid');
    process.exit(EXIT_CONFIG);
  }
}
