import { createRequire } from 'node:module';
import { ConfigError, createLog, Health, readConfig, serveHealth } from '@oo/service-host';
import { demoConfig } from './configuration.js';
import { runDemoLife } from './demo-life.js';

const EXIT_CONFIG = 78;
const VERSION: unknown = createRequire(import.meta.url)('../../package.json').version;

const log = createLog('demo');
const crash = (err: unknown) => {
  log.fatal({ err }, 'nobody caught this; the process ends');
  process.exit(1);
};
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);

try {
  const config = readConfig(demoConfig);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const log = createLog('demo', config.OO_LOG_LEVEL);
  const health = new Health('demo', String(VERSION));
  const server =
    config.OO_HEALTH_PORT === undefined ? undefined : await serveHealth(health, config.OO_HEALTH_PORT, log);
  await runDemoLife({
    config,
    health,
    log,
    tell: (line) => process.stdout.write(`${line}\n`),
    stopped: stop.signal,
  });
  server?.close();
  server?.closeAllConnections();
} catch (error) {
  if (!(error instanceof ConfigError)) crash(error);
  else {
    log.fatal({ problems: error.problems }, 'the configuration is not valid');
    process.exit(EXIT_CONFIG);
  }
}
