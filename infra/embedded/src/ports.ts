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
 * connection takes a port between the moment it is chosen and the moment its owner listens.
 */
const FIRST_PORT = 20_000;
const PORTS = 12_000;
const chosen = new Set<number>();

/** A port that is free now, and that this process has not been given before. @throws Error when there is none left */
export async function freePort(): Promise<number> {
  const start = randomInt(PORTS);
  for (let step = 0; step < PORTS; step++) {
    const port = FIRST_PORT + ((start + step) % PORTS);
    if (chosen.has(port) || (await isTaken(port))) continue;
    // Asked again after the wait: another call may have chosen it meanwhile.
    if (chosen.has(port)) continue;
    chosen.add(port);
    return port;
  }
  throw new Error(`no port from ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} is free`);
}

/** `preferred` where it is free, else the next free one above it, else any. */
export async function portNear(preferred: number): Promise<number> {
  for (let port = preferred; port < preferred + 20; port++) {
    if (!(await isTaken(port))) return port;
  }
  return freePort();
}
