import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect, it, onTestFinished } from 'vitest';
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

/** Ports given to a process that lives until the test ends. */
async function portsOfAnotherProcess(count: number): Promise<number[]> {
  const script = `
    const { freePort } = await import(${JSON.stringify(new URL('ports.ts', import.meta.url).href)});
    console.log(JSON.stringify(await Promise.all(Array.from({ length: ${count} }, freePort))));
    setInterval(() => {}, 60_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  onTestFinished(() => void child.kill());
  let said = '';
  for await (const chunk of child.stdout) {
    said += chunk;
    if (said.endsWith('\n')) break;
  }
  return JSON.parse(said) as number[];
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

it('does not give a port that was asked for by its number', async () => {
  // The next of the same block, or the one after: what is given next, were it not asked for.
  const asked = await portNear((await freePort()) + 1);
  const ports = await Promise.all(Array.from({ length: 200 }, freePort));
  expect(ports).not.toContain(asked);
  expect(await portNear(asked)).not.toBe(asked);
});

it('gives no port that another process has been given, though nobody listens there yet', async () => {
  const others = await Promise.all([0, 1].map(() => portsOfAnotherProcess(2000)));
  const ports = [...others.flat(), ...(await Promise.all(Array.from({ length: 2000 }, freePort)))];
  expect(new Set(ports).size).toBe(6000);
});
