import { decodeSnapshot, fold, isEventOf, parseStored, type SnapshotStore } from '@oo/event-sourcing';
import { TIPS_WINDOW, type TipsEvent, tipsDecider, tipsSnapshots } from '@oo/tips';
import type { EventLog } from './event-log.js';
import type { Life } from './life.js';
import type { Network } from './network.js';
import type { Random } from './random.js';

const TYPES: ReadonlySet<TipsEvent['type']> = new Set(tipsDecider.evolves);

/** What the handlers keep of long streams, in the broker. It may lose, damage or confuse any of it at any time. */
export class SnapshotCache {
  /** All that was ever written of a stream, the last one last. */
  readonly #kept = new Map<string, Uint8Array[]>();

  /** @param wrong told of a snapshot that is not the fold of the log */
  constructor(
    private readonly log: EventLog,
    private readonly wrong: (detail: string) => void,
  ) {}

  read(stream: string): Uint8Array | undefined {
    return this.#kept.get(stream)?.at(-1);
  }

  write(stream: string, snapshot: Uint8Array): void {
    this.#check(stream, snapshot);
    this.#kept.set(stream, [...(this.#kept.get(stream) ?? []), snapshot]);
  }

  forget(stream: string): void {
    this.#kept.delete(stream);
  }

  clear(): void {
    this.#kept.clear();
  }

  /** Goes back to an older one, as a backup or a slow writer does. */
  putBack(random: Random): void {
    for (const [stream, versions] of this.#kept) {
      this.#kept.set(stream, versions.slice(0, 1 + random.below(versions.length)));
    }
  }

  /** Some bit is another. */
  damage(random: Random): void {
    for (const versions of this.#kept.values()) {
      const last = versions.pop();
      if (last === undefined) continue;
      const place = random.below(last.length);
      const damaged = last.map((byte, index) => (index === place ? byte ^ (1 << random.below(8)) : byte));
      versions.push(damaged);
    }
  }

  #check(stream: string, bytes: Uint8Array): void {
    const snapshot = decodeSnapshot(tipsSnapshots, stream, TIPS_WINDOW, bytes);
    if (snapshot === undefined) {
      this.wrong(`${stream}: what was written cannot be read`);
      return;
    }
    const events = this.log
      .stream(stream)
      .filter(({ revision }) => revision <= snapshot.revision)
      .map(parseStored)
      .filter((event) => isEventOf<TipsEvent>(TYPES, event));
    const text = (state: typeof snapshot.state) => JSON.stringify(tipsSnapshots.encode(state));
    const [actual, expected] = [
      text(snapshot.state),
      text(fold(tipsDecider, tipsDecider.initialState(), events)),
    ];
    if (actual !== expected) this.wrong(`${stream}@${snapshot.revision}: ${actual} instead of ${expected}`);
  }
}

/** The cache, as a process reaches it. */
export function snapshotStoreOf(cache: SnapshotCache, network: Network, life: Life): SnapshotStore {
  const ask = async <T>(effect: () => T): Promise<T | undefined> => {
    try {
      return await network.reach(life, 'broker', effect, (reason) => new Error(reason));
    } catch {
      return undefined;
    }
  };
  return {
    read: (stream) => ask(() => cache.read(stream)),
    write: async (stream, snapshot) => {
      await ask(() => cache.write(stream, snapshot));
    },
    forget: async (stream) => {
      await ask(() => cache.forget(stream));
    },
  };
}
