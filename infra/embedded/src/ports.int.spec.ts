import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect, it } from 'vitest';
import { freePort, isTaken, portNear } from './ports.js';

const HOSTS = ['127.0.0.1', '::1'].filter((host) =>
  Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === host)),
);

function hold(port: number, host: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen({ port, host }, () => resolve(server));
  });
}

it.each(HOSTS)('a port that is held on %s is taken, since localhost may be either', async (host) => {
  const port = await freePort();
  expect(await isTaken(port)).toBe(false);
  const holder = await hold(port, host);
  try {
    expect(await isTaken(port)).toBe(true);
    expect(await portNear(port)).not.toBe(port);
  } finally {
    await new Promise((resolve) => holder.close(resolve));
  }
  expect(await isTaken(port)).toBe(false);
});

it('gives no port twice, and none that an outgoing connection may take before it is used', async () => {
  const ports = await Promise.all(Array.from({ length: 500 }, freePort));
  expect(new Set(ports).size).toBe(500);
  expect(Math.max(...ports)).toBeLessThan(32_768);
});
