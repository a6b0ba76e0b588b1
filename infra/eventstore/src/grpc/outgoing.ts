import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { asRpcError } from './errors.js';

type OutgoingCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

/** How much may wait for a slow reader. */
const HIGH_BYTES = 1 << 20;
const LOW_BYTES = 1 << 19;
/** A message costs something beside its bytes. */
const MESSAGE_COST = 256;

/** The answers of a streaming call, with a bound on what waits to be sent. */
export class Outgoing {
  private waitingBytes = 0;
  private resume: (() => void) | undefined;
  private readonly onEnd: (() => void)[] = [];
  ended = false;

  constructor(private readonly call: OutgoingCall) {
    const end = (): void => {
      if (this.ended) return;
      this.ended = true;
      for (const callback of this.onEnd) callback();
      this.wake();
    };
    call.on('cancelled', end);
    call.on('close', end);
    call.on('error', end);
  }

  /** Calls back once the call is over, for whatever reason. */
  whenEnded(callback: () => void): void {
    if (this.ended) callback();
    else this.onEnd.push(callback);
  }

  get room(): boolean {
    return this.waitingBytes < HIGH_BYTES || this.ended;
  }

  send(message: Buffer): void {
    if (this.ended) return;
    const cost = message.length + MESSAGE_COST;
    this.waitingBytes += cost;
    this.call.write(message, () => {
      this.waitingBytes -= cost;
      if (this.resume !== undefined && this.waitingBytes < LOW_BYTES) this.wake();
    });
  }

  async drained(): Promise<void> {
    if (this.room) return;
    await new Promise<void>((resolve) => {
      this.resume = resolve;
    });
  }

  private wake(): void {
    const resume = this.resume;
    this.resume = undefined;
    resume?.();
  }

  finish(): void {
    if (!this.ended) this.call.end();
  }

  fail(error: unknown): void {
    if (this.ended) return;
    const { code, details, metadata } = asRpcError(error);
    this.call.emit('error', { code, details, metadata });
  }
}
