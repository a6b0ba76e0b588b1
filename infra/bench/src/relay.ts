import { EventStoreDBClient } from '@eventstore/db-client';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { type EventStore, STREAMS } from '@oo/event-sourcing';
import { JetStreamTopic, RELAY_OPTIONS, Relay } from '@oo/relay';
import { type Measurement, measurement, median } from './measurement.js';
import { rawRead } from './streams-of-events.js';

const ROUNDS = 3;
/** About what an event takes on the wire. */
const BODY = 'x'.repeat(700);

/**
 * Events that the relay brings from the store into an empty stream a second, over the slower of its two ends alone:
 * reading all, or publishing as many messages of that size with as many waiting for their acknowledgement.
 */
export async function relay(
  nats: NatsConnection,
  store: EventStore,
  eventStoreUrl: string,
  events: number,
): Promise<Measurement> {
  const client = EventStoreDBClient.connectionString(eventStoreUrl);
  const [ours, reads, publishes]: [number[], number[], number[]] = [[], [], []];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      reads.push(await rawRead(client));
      publishes.push(await rawPublish(nats, events));
      ours.push(await relayed(nats, store, events));
    }
    const [read, publish] = [median(reads), median(publishes)];
    const against = read < publish ? 'reading $all with the bare client' : 'publishing with the bare client';
    return measurement('relay', median(ours), 'events/s', Math.min(read, publish), against);
  } finally {
    await client.dispose();
  }
}

export async function relayed(nats: NatsConnection, store: EventStore, events: number): Promise<number> {
  const manager = await jetstreamManager(nats);
  await manager.streams.delete(STREAMS.events.name).catch(() => undefined);
  await manager.streams.delete('KV_OO_RELAY').catch(() => undefined);
  const stop = new AbortController();
  const head = (await store.head()) ?? -1n;
  const one = new Relay(new JetStreamTopic(nats), store, (report) => {
    if (report.kind === 'interrupted') process.stderr.write(`the relay begins again: ${report.error}\n`);
  });
  const began = performance.now();
  const running = one.run(stop.signal);
  while (one.standing.position < head) await new Promise((resolve) => setTimeout(resolve, 5));
  const took = performance.now() - began;
  stop.abort();
  await running;
  return (events / took) * 1000;
}

/** Publishes into a stream like that of the events, and waits for all acknowledgements. */
export async function rawPublish(nats: NatsConnection, events: number): Promise<number> {
  const manager = await jetstreamManager(nats);
  const name = 'BENCH_RELAY';
  await manager.streams.add({ ...STREAMS.events, name, subjects: ['bench.relay'] });
  const reply = `_INBOX.bench.${crypto.randomUUID()}`;
  let [acknowledged, sent] = [0, 0];
  const done = Promise.withResolvers<void>();
  const send = () => {
    for (; sent < events && sent - acknowledged < RELAY_OPTIONS.depth; sent++) {
      nats.publish('bench.relay', BODY, { reply });
    }
  };
  const acks = nats.subscribe(reply, {
    callback: () => {
      if (++acknowledged === events) done.resolve();
      else send();
    },
  });
  const began = performance.now();
  send();
  await done.promise;
  const took = performance.now() - began;
  acks.unsubscribe();
  await manager.streams.delete(name);
  return (events / took) * 1000;
}
