import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What a connection goes through: everything, after a while, nothing for a while, or not at all. */
type Way =
  | { readonly kind: 'open' }
  | { readonly kind: 'late'; readonly milliseconds: number }
  | { readonly kind: 'silent' }
  | { readonly kind: 'cut' };

/** A wire of loopback between the processes and a server, which can be cut. */
export class Wire {
  #way: Way = { kind: 'open' };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly target: number) {
    this.#server = createServer((client) => this.#join(client));
  }

  /** @param target port of the server, which need not be there yet */
  static async before(target: number): Promise<Wire> {
    const wire = new Wire(target);
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the wire does not listen');
    return address.port;
  }

  /** Ends all connections and takes none until it is opened. */
  cut(): void {
    this.#way = { kind: 'cut' };
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Holds every byte up for so long. */
  delay(milliseconds: number): void {
    this.#way = { kind: 'late', milliseconds };
  }

  /** Lets connections stand and nothing through; what was sent meanwhile arrives when it is opened. */
  silence(): void {
    this.#way = { kind: 'silent' };
    for (const socket of this.#sockets) socket.pause();
  }

  open(): void {
    this.#way = { kind: 'open' };
    for (const socket of this.#sockets) socket.resume();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    if (this.#way.kind === 'cut') {
      client.destroy();
      return;
    }
    const server = connect(this.target, '127.0.0.1');
    this.#carry(client, server);
    this.#carry(server, client);
  }

  #carry(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    // What is held up, with when it is due. A timer may be late: nothing passes while anything waits.
    const waiting: { readonly chunk: Buffer; readonly due: number }[] = [];
    const pass = () => {
      for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
        const left = first.due - performance.now();
        if (left > 0) return void setTimeout(pass, left);
        waiting.shift();
        to.write(first.chunk);
      }
    };
    from.on('data', (chunk: Buffer) => {
      const wait = this.#way.kind === 'late' ? this.#way.milliseconds : 0;
      waiting.push({ chunk, due: performance.now() + wait });
      if (waiting.length === 1) pass();
    });
    // The reason is in the log of whoever lost the connection.
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    if (this.#way.kind === 'silent') from.pause();
  }
}
