import { randomUUID } from 'node:crypto';
import type { Files } from '../storage/files.js';
import { type ScavengeResult, scavenge } from '../storage/scavenge.js';
import type { EventStore } from '../streams/event-store.js';
import { newEvent } from '../streams/new-event.js';
import { judge } from '../streams/visibility.js';

export interface ScavengeStatus {
  readonly id: string;
  readonly done: number;
  readonly total: number;
}

export interface ScavengesOptions {
  readonly files: Files;
  readonly directory: string;
  readonly segmentSize: number;
  readonly node: string;
  readonly report: (message: string) => void;
}

const STREAM = '$scavenges';

/** Starts and stops scavenges, one at a time, and writes what they did to `$scavenges`, as EventStoreDB does. */
export class Scavenges {
  private running:
    | { id: string; stopped: boolean; done: number; total: number; ended: Promise<void> }
    | undefined;
  /** Scavenges that ended since the start. */
  completed = 0;
  bytesSaved = 0;

  constructor(
    private readonly store: EventStore,
    private readonly options: ScavengesOptions,
  ) {}

  get status(): ScavengeStatus | undefined {
    return this.running;
  }

  start(): { id: string; started: boolean } {
    if (this.running !== undefined) return { id: this.running.id, started: false };
    const id = randomUUID();
    const state = { id, stopped: false, done: 0, total: 0, ended: Promise.resolve() };
    this.running = state;
    state.ended = this.run(state);
    return { id, started: true };
  }

  /** False when no scavenge with this id runs. */
  async stop(id: string): Promise<boolean> {
    const { running } = this;
    if (running === undefined || running.id !== id) return false;
    running.stopped = true;
    await running.ended;
    return true;
  }

  /** Stops what runs and waits for it. */
  async close(): Promise<void> {
    if (this.running !== undefined) await this.stop(this.running.id);
  }

  private async run(state: { id: string; stopped: boolean; done: number; total: number }): Promise<void> {
    const { node, report, files, directory, segmentSize } = this.options;
    const from = Date.now();
    this.write('$scavengeStarted', { scavengeId: state.id, nodeEndpoint: node }, state.id);
    let result: ScavengeResult | undefined;
    let failure: string | undefined;
    try {
      result = await scavenge(this.store.log, {
        files,
        directory,
        segmentSize,
        judge: (record) => judge(this.store, record),
        isStopped: () => state.stopped,
        progress: (done, total) => {
          state.done = done;
          state.total = total;
        },
      });
      this.bytesSaved += result.bytesSaved;
      report(
        `scavenge ${state.id} ${result.stopped ? 'was stopped' : 'is complete'}: ${result.droppedRecords} records and ` +
          `${result.bytesSaved} bytes removed from ${result.segments} segments`,
      );
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      report(`scavenge ${state.id} failed: ${failure}`);
    }
    this.completed++;
    this.running = undefined;
    this.write(
      '$scavengeCompleted',
      {
        scavengeId: state.id,
        nodeEndpoint: node,
        result: failure !== undefined ? 'Errored' : state.stopped ? 'Stopped' : 'Success',
        error: failure ?? null,
        timeTaken: duration(Date.now() - from),
        spaceSaved: result?.bytesSaved ?? 0,
        maxChunkScavenged: (result?.segments ?? 0) - 1,
      },
      state.id,
    );
  }

  private write(type: string, data: object, id: string): void {
    const event = (): ReturnType<typeof newEvent> => newEvent(type, true, Buffer.from(JSON.stringify(data)));
    this.store.append(`${STREAM}-${id}`, 'any', [event()], () => {});
    this.store.append(STREAM, 'any', [event()], () => {});
  }
}

/** As .NET prints a TimeSpan. */
function duration(ms: number): string {
  return new Date(ms).toISOString().slice(11, -1);
}
