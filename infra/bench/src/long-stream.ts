import { randomBytes } from 'node:crypto';
import { newUserId, tenantId, type UserId } from '@oo/contracts';
import { connectNats, type EventStore, JetStreamSnapshots, type SnapshotStore } from '@oo/event-sourcing';
import { startNatsServer } from '@oo/event-sourcing/testing';
import { Tips } from '@oo/tips';
import { latencies, type Measurement, measurement, median } from './measurement.js';
import { startOwnStore } from './own-store.js';
import { tipsOf } from './streams-of-events.js';

const SHORTEST = 1_000;
const LOADS = 20;
/** Of the baseline, which takes its time. */
const WHOLE_LOADS = 4;

const NOTHING_KEPT: SnapshotStore = {
  read: async () => undefined,
  write: async () => undefined,
  forget: async () => undefined,
};

/**
 * How long the tips of one person take to load in a process that does not know them yet, as the stream grows by powers
 * of ten: from the snapshot on. The baseline is the same stream in the same run, read from its beginning.
 */
export async function* longStream(most: number, say: (line: string) => void): AsyncGenerator<Measurement> {
  const [own, broker] = await Promise.all([startOwnStore(), startNatsServer()]);
  const { store } = own;
  const nats = await connectNats(broker.url, 'bench');
  const snapshots = new JetStreamSnapshots(nats);
  try {
    const user = newUserId(tenantId('home'), randomBytes(16));
    let written = 0;
    for (let length = SHORTEST; length <= most; length *= 10) {
      written = await tipsOf(store, user, written, length);
      say(`  … ${written} events written`);
      // The first to load it leaves a snapshot behind.
      await load(store, snapshots, user);
      const kept = median(await latencies(LOADS, () => load(store, snapshots, user)));
      const whole = median(await latencies(WHOLE_LOADS, () => load(store, NOTHING_KEPT, user)));
      yield measurement(`load-tips-${length}`, kept, 'ms', whole, 'the same read from its beginning');
    }
  } finally {
    await nats.close();
    await Promise.all([own.close(), broker.close()]);
  }
}

async function load(store: EventStore, snapshots: SnapshotStore, user: UserId): Promise<void> {
  await new Tips(store, snapshots).active(user);
}
