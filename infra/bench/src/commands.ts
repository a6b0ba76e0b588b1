import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ANY, BACKWARDS, END, EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import type { NatsConnection } from '@nats-io/transport-node';
import { commandSubject, newUserId, type TenantId, tenantId, type UserId } from '@oo/contracts';
import { ROOT } from '@oo/embedded';
import { connectNats } from '@oo/event-sourcing';
import { startNatsServer } from '@oo/event-sourcing/testing';
import { type Measurement, measurement, median, throughput } from './measurement.js';
import { moodCommand } from './mood-command.js';
import { startOwnStore } from './own-store.js';

const SIGNALS = join(ROOT, 'services/signals/dist/main.js');
const IN_FLIGHT = 32;
const COUNT = 3000;
const ROUNDS = 3;

const userFor = (index: number, tenant: TenantId): UserId => {
  const random = new Uint8Array(16);
  new DataView(random.buffer).setUint32(12, index);
  random.set(crypto.getRandomValues(new Uint8Array(8)), 0);
  return newUserId(tenant, random);
};

export async function startEcho(natsUrl: string): Promise<ChildProcess> {
  const main = fileURLToPath(new URL('./echo-responder.js', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, OO_NATS_URL: natsUrl },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

/** The same with nothing else running but the handler: what a command costs, without what follows from it. */
export async function commandsAlone(): Promise<Measurement> {
  const [own, broker] = await Promise.all([startOwnStore(), startNatsServer()]);
  const environment = { OO_NATS_URL: broker.url, OO_EVENTSTORE_URL: own.url, OO_LOG_LEVEL: 'warn' };
  const handler = spawn(process.execPath, [SIGNALS], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const echo = await startEcho(broker.url);
  const nats = await connectNats(broker.url, 'bench');
  try {
    await answers(nats);
    return await commands('commands', nats, own.url, tenantId('home'));
  } finally {
    echo.kill();
    handler.kill();
    await nats.close();
    await Promise.all([own.close(), broker.close()]);
  }
}

async function answers(nats: NatsConnection): Promise<void> {
  const user = userFor(0, tenantId('home'));
  for (let tries = 1; ; tries++) {
    try {
      await nats.request(commandSubject('RecordSignal', user), moodCommand(user));
      return;
    } catch (error) {
      if (tries > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/**
 * Commands a second through the signals' handler, over a bare loop that does what a handler cannot do without: one
 * NATS request, one read of a stream's end and one append, by the same clients, as many in flight.
 */
export async function commands(
  name: string,
  nats: NatsConnection,
  eventStoreUrl: string,
  tenant: TenantId,
): Promise<Measurement> {
  const store = EventStoreDBClient.connectionString(eventStoreUrl);
  const users = Array.from({ length: IN_FLIGHT }, (_, index) => userFor(index, tenant));
  const userAt = (index: number) => users[index % IN_FLIGHT] ?? userFor(index, tenant);

  const command = async (index: number) => {
    const user = userAt(index);
    const reply = await nats.request(commandSubject('RecordSignal', user), moodCommand(user), {
      timeout: 10_000,
    });
    if (reply.json<{ recorded?: unknown }>().recorded === undefined)
      throw new Error(`a command failed: ${reply.string()}`);
  };
  const payload = JSON.stringify({ valence: 1, energy: -1 });
  const bare = async (index: number) => {
    await nats.request('bench.echo', payload, { timeout: 10_000 });
    const stream = `bench-${userAt(index)}`;
    // Read to its end: a read that is left early keeps its stream of the connection.
    for await (const event of store.readStream(stream, {
      direction: BACKWARDS,
      fromRevision: END,
      maxCount: 1,
    }))
      if (event.event === undefined) throw new Error('an empty read');
    await store.appendToStream(stream, jsonEvent({ type: 'BenchEvent', data: { valence: 1, energy: -1 } }), {
      expectedRevision: ANY,
    });
  };
  for (const user of users) {
    await store.appendToStream(`bench-${user}`, jsonEvent({ type: 'BenchEvent', data: {} }), {
      expectedRevision: ANY,
    });
  }

  try {
    await throughput(COUNT / 4, IN_FLIGHT, command);
    await throughput(COUNT / 4, IN_FLIGHT, bare);
    const [ours, theirs]: [number[], number[]] = [[], []];
    // In turn, so that a machine that slows down slows both.
    for (let round = 0; round < ROUNDS; round++) {
      theirs.push(await throughput(COUNT, IN_FLIGHT, bare));
      ours.push(await throughput(COUNT, IN_FLIGHT, command));
    }
    return measurement(
      name,
      median(ours),
      '1/s',
      median(theirs),
      `NATS echo + stream read + append, ${IN_FLIGHT} in flight`,
    );
  } finally {
    await store.dispose();
  }
}
