import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createToken, ensurePerson, openVault, type Vault } from '@oo/auth';
import { tenantId, type UserId } from '@oo/contracts';
import { connectNats, EventStore, readModels } from '@oo/event-sourcing';
import { Accounts, durableKeys, identityServer } from '@oo/identity';
import { createLog } from '@oo/service-host';
import { freePort, startBackbone, startDatabase } from '@oo/service-host/testing';
import { startGateway } from '../gateway.js';
import { TestWorld } from './test-world.js';

const SECRET = 'a secret of tests, forty characters long';

export interface TestGateway {
  /** Where the page is. */
  readonly url: string;
  readonly issuer: string;
  readonly world: TestWorld;
  readonly vault: Vault;
  /** Somebody who acts by token. */
  person(): Promise<{ userId: UserId; token: string }>;
  /** Stops the gateway, and starts it again at the same address. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A gateway in this process, with its identity provider, on real servers.
 * @param pageDir the built page; a stand-in by default
 * @param more variables beside those that it needs
 * @param world false: nobody answers its commands, and there are no read models
 */
export async function startTestGateway(
  pageDir?: string,
  more: Readonly<Record<string, string>> = {},
  { world: hasWorld = true }: { world?: boolean } = {},
): Promise<TestGateway> {
  const [backbone, vaultDatabase] = await Promise.all([startBackbone({ postgres: true }), startDatabase()]);
  const folder = await mkdtemp(join(tmpdir(), 'oo-gateway-'));
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>oO</title>');
  const [port, identityPort] = [await freePort(), await freePort()];
  const [url, issuer] = [`http://localhost:${port}`, `http://localhost:${identityPort}`];
  const client = { clientId: 'oo', clientSecret: SECRET };
  const identity = await listening(
    identityServer(
      { issuer, publicUrl: url, ...client },
      await durableKeys(join(folder, 'identity')),
      await Accounts.open(join(folder, 'identity')),
      createLog('identity', 'silent'),
    ),
    identityPort,
  );
  const nats = await connectNats(backbone.natsUrl, 'test');
  const store = EventStore.connect(backbone.eventStoreUrl);
  const sql = readModels(backbone.readModelsUrl, { max: 4 });
  const world = new TestWorld(nats, store, sql);
  if (hasWorld) await world.start(backbone.environment);
  const vault = await openVault(vaultDatabase.url, tenantId('home'));
  const environment = {
    ...backbone.environment,
    OO_VAULT_URL: vaultDatabase.url,
    OO_PORT: String(port),
    OO_PUBLIC_URL: url,
    OO_AUTH_SECRET: SECRET,
    OO_OIDC_ISSUER: issuer,
    OO_OIDC_CLIENT_ID: client.clientId,
    OO_OIDC_CLIENT_SECRET: client.clientSecret,
    OO_PAGE_DIR: pageDir ?? folder,
    ...more,
  };
  let gateway = await startGateway(environment);
  return {
    url,
    issuer,
    world,
    vault,
    person: async () => {
      const userId = await ensurePerson(vault, { issuer: 'urn:test', subject: crypto.randomUUID() });
      return { userId, token: (await createToken(vault, userId, 'test')).token };
    },
    stop: () => gateway.close(),
    start: async () => {
      gateway = await startGateway(environment);
    },
    close: async () => {
      await gateway.close();
      await new Promise((resolve) => identity.close(resolve).closeAllConnections());
      await world.close();
      await Promise.all([nats.close(), store.close(), sql.end(), vault.close()]);
      await Promise.all([backbone.close(), vaultDatabase.close(), rm(folder, { recursive: true })]);
    },
  };
}

function listening(server: Server, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
