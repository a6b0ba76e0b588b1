import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { type NatsContext, ServerNats, type WritePacket } from '@nestjs/microservices';
import { problem } from '@oo/contracts';
import { type RunningSpan, startSpan, traceparentIn } from '@oo/event-sourcing';

/** The group that instances of a service share their requests in. One name, since subjects tell the services apart. */
const QUEUE = 'oo';
const DRAIN_TIMEOUT_MS = 10_000;

/**
 * Nest's NATS transport with JSON as it is on the wire, and no packet around it: a handler gets the bytes of the
 * body, and what it returns is the reply. Uses the process's connection. Closing stops taking requests, and waits for
 * those that are being handled.
 */
export class PlainJsonServer extends ServerNats {
  readonly #drained = new Set<() => void>();
  readonly #mine: Subscription[] = [];
  readonly #spans = new WeakMap<Msg, RunningSpan>();
  #open = 0;

  constructor(private readonly nats: NatsConnection) {
    super({
      queue: QUEUE,
      // Every message is a request to Nest; what has no reply subject gets none.
      deserializer: { deserialize: ({ data }: Msg) => ({ id: '', pattern: '', data }) },
    });
  }

  override createNatsClient(): Promise<NatsConnection> {
    return Promise.resolve(this.nats);
  }

  override bindEvents(client: NatsConnection): void {
    for (const channel of this.messageHandlers.keys()) {
      const callback = this.getMessageHandler(channel);
      this.#mine.push(
        client.subscribe(channel, {
          queue: QUEUE,
          callback: (error, message) => this.#traced(channel, message, () => callback(error, message)),
        }),
      );
    }
  }

  /** Goes on with the trace that the message carries, until it is answered. */
  #traced(channel: string, message: Msg | undefined, handle: () => void): void {
    const parent = message === undefined ? undefined : traceparentIn(message);
    const span =
      parent === undefined ? undefined : startSpan(`answer ${channel}`, { kind: 'server', parent });
    if (message !== undefined && span !== undefined) this.#spans.set(message, span);
    if (span === undefined) handle();
    else span.run(handle);
  }

  override handleStatusUpdates(): Promise<void> {
    // The host watches the connection.
    return Promise.resolve();
  }

  override getPublisher(message: Msg, _id: string, _context: NatsContext): (packet: WritePacket) => void {
    this.#open++;
    return ({ err, response, isDisposed }) => {
      if (err !== undefined && err !== null) {
        this.logger.error(err);
        message.respond(JSON.stringify({ problem: problem('internal', 'This is a bug here. See the log.') }));
      } else if (response !== undefined) {
        // A large reply may come as the JSON that it is.
        message.respond(response instanceof Uint8Array ? response : JSON.stringify(response));
      }
      if (isDisposed === true) this.#spans.get(message)?.end(err ?? undefined);
      if (isDisposed === true && --this.#open === 0) for (const resolve of this.#drained) resolve();
    };
  }

  override async close(): Promise<void> {
    await Promise.allSettled(this.#mine.splice(0).map((subscription) => subscription.drain()));
    if (this.#open === 0) return;
    await Promise.race([
      new Promise<void>((resolve) => this.#drained.add(resolve)),
      new Promise<void>((resolve) => setTimeout(resolve, DRAIN_TIMEOUT_MS).unref()),
    ]);
  }
}
