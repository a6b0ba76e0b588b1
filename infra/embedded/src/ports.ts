import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Both loopback addresses: `localhost` opens either, and browsers try ::1 first. */
const LOOPBACK = ['127.0.0.1', '::1'] as const;

/** True when something listens on (or holds) the port on either loopback address. */
export async function isTaken(port: number): Promise<boolean> {
  for (const host of LOOPBACK) if (await isTakenOn(host, port)) return true;
  return false;
}

function isTakenOn(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(true);
      // A machine without IPv6 has no ::1 that anybody could listen on.
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') resolve(false);
      else reject(error);
    });
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(false)));
  });
}

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux, from 49152 elsewhere), so that no
 * connection takes a port between the moment it is chosen and the moment its owner listens. Processes that choose at
 * the same time do not take each other's either: the range is cut into blocks, a process gives ports of its own blocks
 * only, and a block is a process's own while that listens on the block's first port. The system ends that with the
 * process, however it dies. (`free_port` of ml/testing/backbone.py keeps to the same.)
 */
const FIRST_PORT = 20_000;
const BLOCKS = 120;
const BLOCK = 100;
const chosen = new Set<number>();
const left: number[] = [];
let claiming: Promise<void> | undefined;

async function claimBlock(): Promise<void> {
  const start = randomInt(BLOCKS);
  for (let step = 0; step < BLOCKS; step++) {
    const first = FIRST_PORT + ((start + step) % BLOCKS) * BLOCK;
    if (!(await holdUntilEnd(first))) continue;
    for (let port = first + 1; port < first + BLOCK; port++) left.push(port);
    return;
  }
  throw new Error(`no port from ${FIRST_PORT} to ${FIRST_PORT + BLOCKS * BLOCK - 1} is free`);
}

/** Listens on the port for as long as this process lives, without keeping it alive. */
function holdUntilEnd(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const holder = createServer((socket) => socket.destroy());
    holder.once('error', () => resolve(false));
    holder.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(true));
    holder.unref();
  });
}

/** A port that is free now, and that no process has been given that lives. @throws Error when there is none left */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = left.shift();
    if (port === undefined) {
      claiming ??= claimBlock().finally(() => {
        claiming = undefined;
      });
      await claiming;
    } else if (!chosen.has(port)) {
      chosen.add(port);
      if (!(await isTaken(port))) return port;
    }
  }
}

/** `preferred` where it is free, else the next free one above it, else any; none that this process was given before. */
export async function portNear(preferred: number): Promise<number> {
  for (let port = preferred; port < preferred + 20; port++) {
    if (chosen.has(port) || (await isTaken(port))) continue;
    chosen.add(port);
    return port;
  }
  return freePort();
}
