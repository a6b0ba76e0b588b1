import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { type Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';

/** The first bytes of an HTTP/2 connection, as far as it takes to tell it from HTTP/1. */
const PREFACE = Buffer.from('PRI * HTTP/2');
/** Someone who connects and says nothing is not kept for ever. */
const SILENCE_MS = 10_000;
/** What is under way when the server stops has this long to end; then it is cancelled, and the client told so. */
const GRACE_MS = 200;
const FAREWELL_MS = 300;

type Injector = ReturnType<GrpcServer['createConnectionInjector']>;

/** One port for gRPC and HTTP: a connection goes to whichever protocol it begins with. */
export class Listener {
  private readonly net: NetServer;
  private readonly http: HttpServer;
  private readonly injector: Injector;
  private readonly sockets = new Set<Socket>();

  constructor(
    grpc: GrpcServer,
    endpoints: RequestListener,
    tls: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined,
  ) {
    this.injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.http = createHttpServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, endpoints);
    if (tls === undefined) {
      this.net = createNetServer({ noDelay: true }, (socket) => this.sniff(socket));
      this.net.on('connection', (socket: Socket) => this.track(socket));
    } else {
      const server = createTlsServer(
        { ...tls, ALPNProtocols: ['h2', 'http/1.1'], handshakeTimeout: SILENCE_MS, minVersion: 'TLSv1.2' },
        (socket) => {
          socket.setNoDelay(true);
          if (socket.alpnProtocol === 'h2') this.injector.injectConnection(socket);
          else this.sniff(socket);
        },
      );
      server.on('connection', (socket: Socket) => this.track(socket));
      server.on('tlsClientError', (_error, socket) => socket.destroy());
      this.net = server;
    }
  }

  get connections(): number {
    return this.sockets.size;
  }

  private track(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  }

  private sniff(socket: Socket): void {
    let seen = Buffer.alloc(0);
    socket.setTimeout(SILENCE_MS, () => socket.destroy());
    const read = (): void => {
      const chunk: unknown = socket.read();
      if (!Buffer.isBuffer(chunk)) return;
      seen = Buffer.concat([seen, chunk]);
      const isPreface = seen.subarray(0, PREFACE.length).equals(PREFACE.subarray(0, seen.length));
      if (isPreface && seen.length < PREFACE.length) return;
      socket.off('readable', read);
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.unshift(seen);
      if (isPreface) this.injector.injectConnection(socket);
      else this.http.emit('connection', socket);
    };
    socket.on('readable', read);
  }

  /** Resolves with the port. @throws when it is taken, saying so. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.net.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          error.code === 'EADDRINUSE'
            ? new Error(`port ${port} on ${host} is taken; choose another with --port, or 0 for a free one`)
            : error,
        );
      });
      this.net.listen(port, host, () => {
        const address = this.net.address();
        if (typeof address === 'object' && address !== null) resolve(address.port);
        else reject(new Error('the server has no address'));
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.net.close(() => resolve()));
    this.injector.drain(GRACE_MS);
    const until = Date.now() + GRACE_MS + FAREWELL_MS;
    while (this.sockets.size > 0 && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 10));
    for (const socket of this.sockets) socket.destroy();
    await closed;
    this.injector.destroy();
    this.http.close();
  }
}
