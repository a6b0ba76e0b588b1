import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readModels } from '@oo/event-sourcing';
import { PROJECTIONS } from '@oo/projections';
import type { Random } from '@oo/simulation';
import { PARTS, type PartName, type Platform, SERVERS, type ServerName } from './platform.js';

/** Does its damage, and is over when the promise is fulfilled; what heals then is oO's. */
export type Fault = (platform: Platform, random: Random) => Promise<void>;

const kill =
  (name: ServerName | PartName): Fault =>
  async (platform) => {
    platform.signal(name, 'SIGKILL');
  };

/** Stops nats-server, does something to its files, and kills it, so that it starts with them. */
const beneathJetStream =
  (damage: (folder: string, random: Random) => void): Fault =>
  async (platform, random) => {
    platform.signal('nats-server', 'SIGSTOP');
    damage(platform.jetStreamFolder, random);
    platform.signal('nats-server', 'SIGKILL');
  };

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** A share of the files get bytes of another kind, in the middle of them or from some place to the end. */
function damageFiles(folder: string, random: Random, share = 1 / 3): void {
  for (const file of filesIn(folder)) {
    const { size } = statSync(file);
    if (size === 0 || !random.chance(share)) continue;
    const at = random.below(size);
    const bytes = random.bytes(Math.min(size - at, random.pick([1, 64, 4096])));
    const handle = openSync(file, 'r+');
    try {
      writeSync(handle, bytes, 0, bytes.length, at);
    } finally {
      closeSync(handle);
    }
  }
}

const onWire =
  (act: (wire: Platform['wires'][ServerName], random: Random) => void): Fault =>
  async (platform, random) => {
    const wire = platform.wires[random.pick(SERVERS)];
    act(wire, random);
    await pause(random.between(300, 4_000));
    wire.open();
  };

/** SQLSTATE `deadlock_detected`. */
const DEADLOCK = '40P01';

export const FAULTS = {
  'eventstore killed': kill('eventstore'),
  'nats-server killed': kill('nats-server'),
  'postgres killed': kill('postgres'),
  'relay killed': kill('relay'),
  'handlers killed': kill('handlers'),
  'projections killed': kill('projections'),
  'recommender killed': kill('recommender'),
  'gateway killed': kill('gateway'),
  'all killed': async (platform) => {
    for (const name of [...PARTS, ...SERVERS]) platform.signal(name, 'SIGKILL');
  },
  'a process stopped': async (platform, random) => {
    const name = random.pick([...PARTS, ...SERVERS]);
    platform.signal(name, 'SIGSTOP');
    await pause(random.between(300, 4_000));
    platform.signal(name, 'SIGCONT');
  },
  "JetStream's folder deleted": beneathJetStream((folder) =>
    rmSync(folder, { recursive: true, force: true }),
  ),
  "JetStream's folder damaged": beneathJetStream((folder, random) => damageFiles(folder, random)),
  "the recommender's snapshot damaged": async (platform, random) => {
    platform.signal('recommender', 'SIGSTOP');
    damageFiles(platform.snapshotsFolder, random, 1);
    platform.signal('recommender', 'SIGKILL');
  },
  'connections cut': onWire((wire) => wire.cut()),
  'connections delayed': onWire((wire, random) => wire.delay(random.between(20, 400))),
  'connections silent': onWire((wire) => wire.silence()),
  'disk full': async (platform) => {
    const file = join(platform.disk, 'filler');
    fill(file);
    await pause(1_500);
    rmSync(file);
  },
  'a read model dropped': async (platform, random) => {
    const { schema } = random.pick(Object.values(PROJECTIONS));
    const sql = readModels(platform.readModelsUrl, { max: 1, name: 'chaos' });
    try {
      // Of two that wait for each other Postgres ends one, and that may be this.
      for (let dropped = false; !dropped; ) {
        dropped = await sql`drop schema if exists ${sql(schema)} cascade`.then(
          () => true,
          (error: unknown) => {
            if (!(error instanceof Error && 'code' in error && error.code === DEADLOCK)) throw error;
            return false;
          },
        );
      }
    } finally {
      await sql.end({ timeout: 5 });
    }
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as readonly FaultName[];

/** Writes until the disk takes no more. */
function fill(file: string): void {
  const handle = openSync(file, 'w');
  try {
    for (let size = 1 << 20; size >= 1; ) {
      try {
        writeSync(handle, Buffer.alloc(size));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
        size >>= 1;
      }
    }
  } finally {
    closeSync(handle);
  }
}
