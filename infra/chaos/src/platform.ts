import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunningOo } from '@oo/cli/testing';
import {
  ensureDatabases,
  eventStoreCommand,
  eventStoreUrl,
  freePort,
  initPostgres,
  isTaken,
  natsProcess,
  natsUrl,
  postgresAnswers,
  postgresCommand,
  postgresUrl,
  Supervisor,
} from '@oo/embedded';
import { Wire } from './wire.js';

export const SERVERS = ['eventstore', 'nats-server', 'postgres'] as const;
export type ServerName = (typeof SERVERS)[number];
/** Processes of oO that are killed. */
export const PARTS = ['relay', 'handlers', 'projections', 'recommender', 'gateway'] as const;
export type PartName = (typeof PARTS)[number];

const DISK_MEGABYTES = 512;

/** The servers, each behind a wire that can be cut, and oO on them. */
export class Platform {
  /** How often chaos itself has killed each. */
  readonly #killed = new Map<string, number>();

  private constructor(
    readonly folder: string,
    /** Where event store and broker keep their files: a file system of its own where one could be made. */
    readonly disk: string,
    /** Why {@link disk} cannot be filled; undefined where it can. */
    readonly noDisk: string | undefined,
    readonly wires: Readonly<Record<ServerName, Wire>>,
    /** The store, past the wire: what is in it is looked at, whatever happens to connections. */
    readonly storeUrl: string,
    readonly readModelsUrl: string,
    readonly supervisor: Supervisor,
    readonly oo: RunningOo,
  ) {}

  static async start(say: (line: string) => void): Promise<Platform> {
    const folder = mkdtempSync(join(tmpdir(), 'oo-chaos-'));
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    const noDisk = mountedAt(disk);
    const supervisor = new Supervisor(join(folder, 'logs'), {
      onCrash: (name, how) => say(`  ${name} ended (${how}) and is started again`),
      onMend: (name, what) => say(`  ${name}: ${what}`),
      onChange: () => undefined,
    });
    const [storePort, natsPort, sqlPort] = [await freePort(), await freePort(), await freePort()];
    const nats = { dataDir: join(disk, 'nats'), port: natsPort, token: 'chaos' };
    const sql = { dataDir: join(folder, 'postgres'), port: sqlPort, password: 'chaos' };
    await initPostgres(sql);
    await Promise.all([
      supervisor.start({
        name: 'eventstore',
        ...eventStoreCommand(join(disk, 'eventstore'), storePort),
        ready: () => isTaken(storePort),
      }),
      supervisor.start(natsProcess(nats)),
      supervisor.start({
        name: 'postgres',
        ...(await postgresCommand(sql)),
        ready: () => postgresAnswers(sql),
        stopSignal: 'SIGINT',
      }),
    ]);
    await ensureDatabases(sql, ['vault', 'readmodels'], ['readmodels']);
    const wires = {
      eventstore: await Wire.before(storePort),
      'nats-server': await Wire.before(natsPort),
      postgres: await Wire.before(sqlPort),
    };
    const throughWire = { ...sql, port: wires.postgres.port };
    const oo = await RunningOo.start({
      OO_DEMO: 'off',
      OO_LOG_LEVEL: 'warn',
      OO_EVENTSTORE_URL: eventStoreUrl(wires.eventstore.port),
      OO_NATS_URL: natsUrl({ ...nats, port: wires['nats-server'].port }),
      OO_READMODELS_URL: postgresUrl(throughWire, 'readmodels'),
      OO_VAULT_URL: postgresUrl(throughWire, 'vault'),
    });
    const storeUrl = eventStoreUrl(storePort);
    const readModelsUrl = postgresUrl(sql, 'readmodels');
    return new Platform(folder, disk, noDisk, wires, storeUrl, readModelsUrl, supervisor, oo);
  }

  get jetStreamFolder(): string {
    return join(this.disk, 'nats', 'jetstream');
  }

  get snapshotsFolder(): string {
    return join(this.oo.dataDir, 'snapshots');
  }

  get #processes(): { name: string; pid: number; restarts: number }[] {
    return [...this.supervisor.processes, ...this.oo.run.processes];
  }

  /** @returns whether it was there to hear it */
  signal(name: ServerName | PartName, signal: NodeJS.Signals): boolean {
    const pid = this.#processes.find((process) => process.name === name)?.pid;
    if (pid === undefined) return false;
    try {
      process.kill(pid, signal);
    } catch {
      // It has just ended by itself.
      return false;
    }
    if (signal === 'SIGKILL') this.#killed.set(name, (this.#killed.get(name) ?? 0) + 1);
    return true;
  }

  /** How often each process, of those that did, has ended without having been killed. */
  get endedByThemselves(): Record<string, number> {
    const ends = this.#processes.map(
      ({ name, restarts }) => [name, restarts - (this.#killed.get(name) ?? 0)] as const,
    );
    return Object.fromEntries(ends.filter(([, count]) => count > 0));
  }

  /** @param keepLogs whether what the processes said is kept. @returns where, if it is */
  async close(keepLogs: boolean): Promise<string | undefined> {
    for (const wire of Object.values(this.wires)) wire.open();
    await this.oo.stop();
    const kept = keepLogs ? mkdtempSync(join(tmpdir(), 'oo-chaos-logs-')) : undefined;
    if (kept !== undefined) {
      for (const logs of [join(this.folder, 'logs'), join(this.oo.dataDir, 'logs')]) {
        cpSync(logs, kept, { recursive: true });
      }
    }
    await this.oo.dispose();
    await this.supervisor.stop();
    await Promise.all(Object.values(this.wires).map((wire) => wire.close()));
    if (this.noDisk === undefined) execFileSync('umount', ['--lazy', this.disk]);
    rmSync(this.folder, { recursive: true, force: true });
    return kept;
  }
}

/** @returns why no small file system could be mounted there; undefined where it is */
function mountedAt(folder: string): string | undefined {
  if (process.getuid?.() !== 0) return 'a small file system can be mounted by root only';
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MEGABYTES}m`, 'oo-chaos', folder], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return undefined;
  } catch (error) {
    return `no small file system could be mounted: ${error instanceof Error ? error.message : error}`;
  }
}
