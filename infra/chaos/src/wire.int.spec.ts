import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Wire } from './wire.js';

let received: number[];
let wire: Wire;
let client: Socket;
const server = createServer((socket) => socket.on('data', (bytes) => received.push(...bytes)));

beforeEach(async () => {
  received = [];
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  wire = await Wire.before(typeof address === 'object' && address !== null ? address.port : 0);
  client = connect(wire.port, '127.0.0.1').setNoDelay(true);
  await once(client, 'connect');
});

afterEach(async () => {
  client.destroy();
  await wire.close();
  server.close();
});

/** A turn of the event loop that takes so long. */
function hold(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

it('lets no byte overtake another, when it is delayed and opened, and its timers are late', async () => {
  const sent: number[] = [];
  for (let count = 0; count < 120; count++) {
    if (count % 10 === 0) wire.delay(5);
    if (count % 10 === 5) wire.open();
    client.write(Buffer.from([count]));
    sent.push(count);
    await pause(1);
    // What is due and what arrives are then both there in the next turn.
    if (count % 3 === 0) hold(4);
  }
  wire.open();
  await expect.poll(() => received).toEqual(sent);
});

it('holds up what it is told to, and lets through what was silent', async () => {
  wire.delay(120);
  const began = performance.now();
  client.write(Buffer.from([1]));
  await expect.poll(() => received, { interval: 5 }).toEqual([1]);
  expect(performance.now() - began).toBeGreaterThan(110);
  wire.silence();
  client.write(Buffer.from([2]));
  await pause(100);
  expect(received).toEqual([1]);
  wire.open();
  await expect.poll(() => received).toEqual([1, 2]);
});
