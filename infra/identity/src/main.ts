import type { Server } from 'node:http';
import { ConfigError, createLog, readConfig } from '@oo/service-host';
import { Accounts } from './accounts.js';
import { identityConfig } from './config.js';
import { durableKeys } from './keys.js';
import { identityServer } from './server.js';

const EXIT_CONFIG = 78;
const log = createLog('identity');

try {
  const config = readConfig(identityConfig);
  const keys = await durableKeys(config.OO_DATA_DIR);
  const accounts = await Accounts.open(config.OO_DATA_DIR);
  const settings = {
    issuer: config.OO_OIDC_ISSUER,
    clientId: config.OO_OIDC_CLIENT_ID,
    clientSecret: config.OO_OIDC_CLIENT_SECRET,
    publicUrl: config.OO_PUBLIC_URL,
  };
  const issuerPort = Number(new URL(settings.issuer).port);
  // The health has a place on the issuer's port, and on its own where it was given one.
  const ports = [...new Set([issuerPort, config.OO_HEALTH_PORT ?? issuerPort])];
  const servers = await Promise.all(
    ports.map((port) => listening(identityServer(settings, keys, accounts, log), port, config.OO_HOST)),
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      for (const server of servers) server.close().closeAllConnections();
    });
  }
  log.info({ ports }, 'ready');
} catch (error) {
  const isConfig = error instanceof ConfigError;
  if (isConfig) log.fatal({ problems: error.problems }, 'the configuration is not valid');
  else log.fatal({ err: error }, 'it could not start');
  process.exitCode = isConfig ? EXIT_CONFIG : 1;
}

function listening(server: Server, port: number, host: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}
