import { EVENTS_STREAM, PROPOSALS_STREAM } from '@oo/contracts';
import type { Broker } from './broker.js';
import type { FeedFaults } from './broker-client.js';
import type { Database } from './database.js';
import type { CallFaults, Network } from './network.js';
import type { Random } from './random.js';
import type { SnapshotCache } from './snapshot-cache.js';
import type { VirtualTime } from './virtual-time.js';

/** What faults do their work on. */
export interface Scene {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly broker: Broker;
  readonly databases: readonly Database[];
  readonly snapshots: SnapshotCache;
  readonly processes: readonly string[];
  kill(process: string): void;
  stop(process: string, milliseconds: number): void;
  skew(process: string, milliseconds: number): void;
}

type Fault = (scene: Scene, random: Random) => void;

const stream = ({ broker }: Scene, random: Random) =>
  broker.streams.get(random.pick([EVENTS_STREAM, EVENTS_STREAM, PROPOSALS_STREAM]));

/** The faults of the schedule, beside those that a call may meet. */
export const FAULTS = {
  kill: (scene, random) => scene.kill(random.pick(scene.processes)),
  'kill all': (scene) => {
    for (const process of scene.processes) scene.kill(process);
  },
  stop: (scene, random) => scene.stop(random.pick(scene.processes), random.between(200, 8_000)),
  partition: (scene, random) => {
    const [process, server] = [random.pick(scene.processes), random.pick(['store', 'broker', 'sql'])];
    scene.network.cut(process, server, random.between(100, 6_000));
  },
  'store away': ({ network }, random) => network.outage('store', random.between(100, 3_000)),
  'broker away': ({ network, broker }, random) => {
    network.outage('broker', random.between(100, 3_000));
    broker.reset();
  },
  'sql away': ({ network }, random) => network.outage('sql', random.between(100, 3_000)),
  'stream deleted': (scene, random) => {
    const found = stream(scene, random);
    if (found !== undefined) scene.broker.deleteStream(found.name);
  },
  'all of JetStream deleted': ({ broker, snapshots }) => {
    for (const name of [...broker.streams.keys()]) broker.deleteStream(name);
    snapshots.clear();
    broker.mirror = undefined;
  },
  'stream purged': (scene, random) => {
    const found = stream(scene, random);
    if (found !== undefined) scene.broker.purge(found, random.pick([0, 0, random.below(20)]));
  },
  'acknowledged messages lost': (scene, random) => {
    const found = stream(scene, random);
    if (found !== undefined) scene.broker.loseLast(found, 1 + random.below(12));
  },
  'backup taken': ({ broker }) => broker.backUp(),
  'backup restored': ({ broker }, random) => broker.restore(random.chance(0.5)),
  'mirror deleted': ({ broker }) => {
    broker.mirror = undefined;
  },
  'consumers deleted': ({ broker }) => broker.deleteConsumers(),
  'consumer reset': ({ broker }) => broker.reset(),
  'broker full': ({ broker, time }, random) => {
    broker.isFull = true;
    time.schedule(random.between(200, 4_000), () => {
      broker.isFull = false;
    });
  },
  'stream takes nothing': (scene, random) => {
    const found = stream(scene, random);
    if (found !== undefined) found.isBroken = true;
  },
  'tables dropped': ({ databases }, random) => random.pick(databases).drop(),
  'tables restored': ({ databases }, random) => random.pick(databases).restore(random),
  'snapshots deleted': ({ snapshots }) => snapshots.clear(),
  'snapshots put back': ({ snapshots }, random) => snapshots.putBack(random),
  'snapshots damaged': ({ snapshots }, random) => snapshots.damage(random),
  'clock jumps': (scene, random) => {
    const milliseconds =
      random.pick([-1, 1]) * random.pick([1_000, 60_000, 600_000, 7_200_000]) * random.unit();
    scene.skew(random.pick(scene.processes), milliseconds);
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

/** The faults of one seed: not each has all, so that one kind does not hide what another would have shown. */
export interface Weather {
  readonly faults: readonly FaultName[];
  /** Mean time between two faults of the schedule. */
  readonly everyMs: number;
  readonly calls: CallFaults;
  readonly feed: FeedFaults;
  /** How long it storms. */
  readonly lastsMs: number;
}

export function weatherOf(random: Random): Weather {
  const names = Object.keys(FAULTS) as FaultName[];
  const share = random.pick([0.15, 0.4, 0.8]);
  const maybe = (most: number) => (random.chance(0.6) ? random.unit() * most : 0);
  return {
    faults: names.filter(() => random.chance(share)),
    everyMs: random.pick([250, 700, 2_000]),
    calls: { crash: maybe(0.006), lost: maybe(0.05), unheard: maybe(0.05), slow: maybe(0.05) },
    feed: { dropped: maybe(0.2), doubled: maybe(0.2), late: maybe(0.3) },
    lastsMs: random.between(6_000, 16_000),
  };
}
