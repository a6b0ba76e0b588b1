import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { SNAPSHOTS_STREAM, snapshotSubject } from '@oo/contracts';
import { within } from '../clock/timing.js';
import type { SnapshotStore } from '../command-handling/snapshots.js';
import { ensureStream, isUnable, STREAMS } from './streams.js';

/** Reading the log instead takes about as long. */
const READ_TIMEOUT_MS = 250;
const WRITE_TIMEOUT_MS = 5_000;

/** Snapshots in a stream of JetStream that keeps the last message of each subject. Deleting that stream is safe. */
export class JetStreamSnapshots implements SnapshotStore {
  #manager: Promise<JetStreamManager> | undefined;

  constructor(private readonly nats: NatsConnection) {}

  async read(stream: string): Promise<Uint8Array | undefined> {
    try {
      const jsm = await this.#jsm();
      const asked = jsm.direct.getMessage(SNAPSHOTS_STREAM, { last_by_subj: snapshotSubject(stream) });
      return (await within(READ_TIMEOUT_MS, asked, () => undefined))?.data;
    } catch {
      return undefined;
    }
  }

  async write(stream: string, snapshot: Uint8Array): Promise<void> {
    if (snapshot.length > (this.nats.info?.max_payload ?? 0)) return;
    const jsm = await this.#jsm();
    const publish = () =>
      jsm.jetstream().publish(snapshotSubject(stream), snapshot, { timeout: WRITE_TIMEOUT_MS, retries: 0 });
    try {
      await publish();
    } catch {
      // The first snapshot finds no stream; later ones find none where the broker has lost it or cannot read it.
      await this.#remake(jsm)
        .then(publish)
        .catch(() => undefined);
    }
  }

  async forget(stream: string): Promise<void> {
    try {
      const jsm = await this.#jsm();
      await jsm.streams.purge(SNAPSHOTS_STREAM, { filter: snapshotSubject(stream) });
    } catch {
      // What is left of it grows too old by itself, and is never read: its stream is gone.
    }
  }

  async #remake(jsm: JetStreamManager): Promise<void> {
    try {
      await ensureStream(jsm, STREAMS.snapshots);
    } catch (error) {
      if (!isUnable(error)) throw error;
      await jsm.streams.delete(SNAPSHOTS_STREAM);
      await ensureStream(jsm, STREAMS.snapshots);
    }
  }

  /** Made without a question, so that it can be had while the broker is away. */
  #jsm(): Promise<JetStreamManager> {
    this.#manager ??= jetstreamManager(this.nats, { checkAPI: false });
    return this.#manager;
  }
}
