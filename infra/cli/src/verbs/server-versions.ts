import { eventStoreVersion, natsVersion, postgresVersion, type RunFile } from '@oo/embedded';

type Process = RunFile['processes'][number];

/**
 * Asks the servers that are not oO's own code which version they are. Undefined where one does not answer; null where
 * the process is none of them, and its health tells its version.
 */
export async function serverVersion(run: RunFile, process: Process): Promise<string | undefined | null> {
  switch (process.name) {
    case 'eventstore':
      return process.healthUrl === undefined ? undefined : eventStoreVersion(process.healthUrl);
    case 'nats-server': {
      const url = urlOf(run, 'OO_NATS_URL');
      return url === undefined ? undefined : natsVersion(url.hostname, Number(url.port));
    }
    case 'postgres': {
      // One of the two may be a server elsewhere; the embedded one listens on loopback.
      const urls = [urlOf(run, 'OO_READMODELS_URL'), urlOf(run, 'OO_VAULT_URL')];
      const embedded = urls.find((url) => url?.hostname === '127.0.0.1');
      return embedded === undefined ? undefined : postgresVersion(embedded.href);
    }
    default:
      return null;
  }
}

function urlOf(run: RunFile, name: string): URL | undefined {
  return URL.parse(run.environment[name] ?? '') ?? undefined;
}
