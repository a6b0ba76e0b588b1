import {
  bundled,
  eventStoreCommand,
  eventStoreHealthUrl,
  eventStoreUrl,
  freePort,
  natsProcess,
  natsUrl,
  type PostgresOptions,
  type ProcessSpec,
  portNear,
  postgresAnswers,
  postgresCommand,
  postgresUrl,
  type Secrets,
} from '@oo/embedded';
import { z } from 'zod';
import { inDataDir, type Settings } from './settings.js';

const OIDC_CLIENT_ID = 'oo';

type Environment = Readonly<Record<string, string>>;

/** Where everything listens and how it is reached. */
export interface Places {
  readonly port: number;
  readonly publicUrl: string;
  readonly issuer: string;
  readonly demoProviderUrl: string;
  readonly eventStoreUrl: string;
  readonly natsUrl: string;
  readonly readModelsUrl: string;
  readonly vaultUrl: string;
  readonly health: Readonly<Record<string, number>>;
  /** What runs embedded; absent where a setting names a server elsewhere. */
  readonly embedded: {
    readonly eventStorePort?: number;
    readonly natsPort?: number;
    readonly postgres?: PostgresOptions;
  };
}

const WITH_HEALTH = [
  'identity',
  'relay',
  'handlers',
  'projections',
  'gateway',
  'recommender',
  'demo',
] as const;

/** Chooses ports. The page's is the wanted one or the next that is free; the others are any. */
export async function choosePlaces(settings: Settings, secrets: Secrets): Promise<Places> {
  const port = await portNear(settings.OO_PORT);
  const health: Record<string, number> = {};
  for (const name of WITH_HEALTH) health[name] = await freePort();
  const eventStorePort = await freePort();
  const nats = { dataDir: inDataDir(settings, 'nats'), port: await freePort(), token: secrets.natsToken };
  const postgres = {
    dataDir: inDataDir(settings, 'postgres'),
    port: await freePort(),
    password: secrets.postgresPassword,
  };
  const ownSql = settings.OO_READMODELS_URL === undefined || settings.OO_VAULT_URL === undefined;
  return {
    port,
    publicUrl: `http://localhost:${port}`,
    issuer: `http://localhost:${health.identity}`,
    demoProviderUrl: `http://127.0.0.1:${await freePort()}`,
    eventStoreUrl: settings.OO_EVENTSTORE_URL ?? eventStoreUrl(eventStorePort),
    natsUrl: settings.OO_NATS_URL ?? natsUrl(nats),
    readModelsUrl: settings.OO_READMODELS_URL ?? postgresUrl(postgres, 'readmodels'),
    vaultUrl: settings.OO_VAULT_URL ?? postgresUrl(postgres, 'vault'),
    health,
    embedded: {
      ...(settings.OO_EVENTSTORE_URL === undefined ? { eventStorePort } : {}),
      ...(settings.OO_NATS_URL === undefined ? { natsPort: nats.port } : {}),
      ...(ownSql ? { postgres } : {}),
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

const unready = z.object({
  checks: z.record(
    z.string(),
    z.object({ ok: z.boolean(), detail: z.object({ reason: z.string().optional() }).optional() }),
  ),
});

/** The first reason that a process gives for not being ready. */
async function reasonOf(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    const { checks } = unready.parse(await response.json());
    return Object.values(checks).find(({ ok, detail }) => !ok && detail?.reason !== undefined)?.detail
      ?.reason;
  } catch {
    return undefined;
  }
}

/** The store, the broker and the database, as far as they are embedded. */
export async function infrastructure(
  settings: Settings,
  secrets: Secrets,
  places: Places,
): Promise<ProcessSpec[]> {
  const { eventStorePort, natsPort, postgres } = places.embedded;
  const specs: ProcessSpec[] = [];
  if (eventStorePort !== undefined) {
    const healthUrl = eventStoreHealthUrl(eventStorePort);
    specs.push({
      name: 'eventstore',
      ...eventStoreCommand(inDataDir(settings, 'eventstore'), eventStorePort),
      healthUrl,
      ready: () => answers(healthUrl),
    });
  }
  if (natsPort !== undefined) {
    const options = { dataDir: inDataDir(settings, 'nats'), port: natsPort, token: secrets.natsToken };
    specs.push(natsProcess(options));
  }
  if (postgres !== undefined) {
    specs.push({
      name: 'postgres',
      ...(await postgresCommand(postgres)),
      ready: () => postgresAnswers(postgres),
      stopSignal: 'SIGINT',
    });
  }
  return specs;
}

/** oO's own processes. Each is told only what it needs. */
export function services(settings: Settings, secrets: Secrets, places: Places): ProcessSpec[] {
  const common: Environment = {
    OO_TENANT: settings.OO_TENANT,
    OO_LOG_LEVEL: settings.OO_LOG_LEVEL,
    OO_CLOCK: settings.OO_DEMO === 'on' ? 'steered' : 'system',
    NODE_ENV: 'production',
    // A third of a start is compiling what has not changed since the last one.
    NODE_COMPILE_CACHE: inDataDir(settings, 'compile-cache'),
  };
  const broker = { OO_NATS_URL: places.natsUrl };
  const store = { OO_EVENTSTORE_URL: places.eventStoreUrl };
  const readModels = { OO_READMODELS_URL: places.readModelsUrl };
  const oidc = {
    OO_OIDC_ISSUER: places.issuer,
    OO_OIDC_CLIENT_ID: OIDC_CLIENT_ID,
    OO_OIDC_CLIENT_SECRET: secrets.oidcClientSecret,
    OO_PUBLIC_URL: places.publicUrl,
  };
  const spec = (name: string, command: string, args: string[], env: Environment): ProcessSpec => {
    const port = places.health[name];
    const healthUrl = `http://127.0.0.1:${port}/health/ready`;
    return {
      name,
      command,
      args,
      env: { ...common, ...env, OO_HEALTH_PORT: String(port) },
      healthUrl,
      ready: () => answers(healthUrl),
      waitsFor: () => reasonOf(healthUrl),
    };
  };
  const node = (name: string, env: Environment) =>
    spec(name, process.execPath, ['--enable-source-maps', bundled(name)], env);
  return [
    node('identity', {
      ...oidc,
      OO_DATA_DIR: inDataDir(settings, 'identity'),
    }),
    node('relay', { ...broker, ...store }),
    node('handlers', {
      ...broker,
      ...store,
      ...readModels,
      OO_DEMO_PROVIDER_URL: places.demoProviderUrl,
    }),
    node('projections', { ...broker, ...store, ...readModels }),
    node('gateway', {
      ...broker,
      ...store,
      ...readModels,
      ...oidc,
      OO_VAULT_URL: places.vaultUrl,
      OO_AUTH_SECRET: secrets.authSecret,
      OO_PORT: String(places.port),
    }),
    spec('recommender', process.env.OO_PYTHON ?? 'python3', ['-m', 'ml.serving'], {
      ...broker,
      OO_POLICY: settings.OO_POLICY,
      OO_SNAPSHOTS: inDataDir(settings, 'snapshots'),
      PYTHONUNBUFFERED: '1',
    }),
  ];
}

/** The person whose life is played, and the provider that keeps their tasks. */
export function demoLife(
  settings: Settings,
  places: Places,
  person: { userId: string; token: string },
  onLine: (line: string) => void,
): ProcessSpec {
  const healthUrl = `http://127.0.0.1:${places.health.demo}/health/ready`;
  return {
    name: 'demo',
    command: process.execPath,
    args: ['--enable-source-maps', bundled('demo')],
    env: {
      OO_LOG_LEVEL: settings.OO_LOG_LEVEL,
      OO_TENANT: settings.OO_TENANT,
      OO_NATS_URL: places.natsUrl,
      OO_PUBLIC_URL: places.publicUrl,
      OO_DEMO_PROVIDER_URL: places.demoProviderUrl,
      OO_DEMO_USER: person.userId,
      OO_DEMO_TOKEN: person.token,
      OO_DEMO_SEED: settings.OO_DEMO_SEED,
      OO_DEMO_WEEKS: String(settings.OO_DEMO_WEEKS),
      OO_DATA_DIR: inDataDir(settings, 'demo'),
      OO_HEALTH_PORT: String(places.health.demo),
    },
    healthUrl,
    ready: () => answers(healthUrl),
    onLine,
  };
}
