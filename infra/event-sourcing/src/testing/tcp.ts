import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** What takes connections on loopback and does with each as a test wants. */
export interface TcpServer {
  readonly port: number;
  /** Ends its connections too. */
  close(): Promise<void>;
}

/** @param take does something with a connection; they are numbered from 0 */
export async function startTcpServer(take: (client: Socket, number: number) => void): Promise<TcpServer> {
  const clients = new Set<Socket>();
  let count = 0;
  const server = createServer((client) => {
    clients.add(client);
    client.on('error', () => undefined);
    client.on('close', () => clients.delete(client));
    take(client, count++);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return {
    port: address.port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}

/** Joins a connection with the server that is at `url`; both end together. */
export function passOn(client: Socket, url: string): void {
  const { hostname, port } = new URL(url);
  const server = connect(Number(port), hostname);
  server.on('error', () => client.destroy());
  client.pipe(server).pipe(client);
  client.on('close', () => server.destroy());
}

/** The same address, at this port of loopback. */
export function urlAt(port: number, url: string): string {
  return Object.assign(new URL(url), { host: `127.0.0.1:${port}` }).href;
}

/** What Postgres says instead of taking a connection while it starts: an ErrorResponse of its protocol, version 3. */
export function postgresIsStarting(): Buffer {
  const fields = Buffer.from('SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0');
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
