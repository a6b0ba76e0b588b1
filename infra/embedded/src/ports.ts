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

/** A port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ port: 0, host: '127.0.0.1' }, () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** `preferred` where it is free, else the next free one above it, else any. */
export async function portNear(preferred: number): Promise<number> {
  for (let port = preferred; port < preferred + 20; port++) {
    if (!(await isTaken(port))) return port;
  }
  return freePort();
}
