import type { Server } from 'node:http';
import { Accounts } from './accounts.js';
import { readConfig } from './config.js';
import { durableKeys } from './keys.js';
import { identityServer } from './server.js';

// Written for one machine: where it listens nobody else can reach it.
const HOST = '127.0.0.1';

try {
  const config = readConfig(process.env);
  const keys = await durableKeys(config.OO_DATA_DIR);
  const accounts = await Accounts.open(config.OO_DATA_DIR);
  const settings = {
    issuer: config.OO_OIDC_ISSUER,
    clientId: config.OO_OIDC_CLIENT_ID,
    clientSecret: config.OO_OIDC_CLIENT_SECRET,
    publicUrl: config.OO_PUBLIC_URL,
  };
  const issuerPort = Number(new URL(settings.issuer).port);
  const servers = [...new Set([issuerPort, config.OO_HEALTH_PORT ?? issuerPort])].map((port) =>
    listening(identityServer(settings, keys, accounts), port),
  );
  await Promise.all(servers);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      for (const server of await Promise.all(servers)) server.close().closeAllConnections();
    });
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function listening(server: Server, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, () => resolve(server));
  });
}
