import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { asRpcError } from './errors.js';
import { inOneWrite } from './frames.js';

type OutgoingCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

/** How much may wait for a slow reader. */
const HIGH_BYTES = 1 << 20;
const LOW_BYTES = 1 << 19;
/** A message costs something beside its bytes. */
const MESSAGE_COST = 256;
/** More than this is not gathered for one write: it would only be copied once more. */
const GATHERED_BYTES = 64 << 10;

/** The answers of a streaming call, with a bound on what waits to be sent. */
export class Outgoing {
  private gathered: Buffer[] = [];
  private gatheredBytes = 0;
  private waitingBytes = 0;
  private resume: (() => void) | undefined;
  private readonly onEnd: (() => void)[] = [];
  ended = false;

  constructor(
    private readonly call: OutgoingCall,
    /** When what was gathered is sent: at the end of this turn of the event loop, or later. */
    private readonly schedule: (flush: () => void) => void = queueMicrotask,
  ) {
    const end = (): void => {
      if (this.ended) return;
      this.ended = true;
      this.gathered = [];
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

  /** Sends a message, in one write with the others that are sent before it is time. */
  send(message: Buffer): void {
    if (this.ended) return;
    const cost = message.length + MESSAGE_COST;
    if (this.gatheredBytes + cost > GATHERED_BYTES) this.flush();
    this.waitingBytes += cost;
    this.gatheredBytes += cost;
    if (this.gathered.push(message) === 1) this.schedule(this.flush);
  }

  private readonly flush = (): void => {
    const { gathered, gatheredBytes } = this;
    if (gathered.length === 0) return;
    this.gathered = [];
    this.gatheredBytes = 0;
    this.call.write(inOneWrite(gathered), () => {
      this.waitingBytes -= gatheredBytes;
      if (this.resume !== undefined && this.waitingBytes < LOW_BYTES) this.wake();
    });
  };

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
    if (this.ended) return;
    this.flush();
    this.call.end();
  }

  fail(error: unknown): void {
    if (this.ended) return;
    this.flush();
    const { code, details, metadata } = asRpcError(error);
    this.call.emit('error', { code, details, metadata });
  }
}
