import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEventStore } from '@oo/eventstore';

/** The embedded event store in this process, on a temporary folder. */
export interface TestEventStore {
  readonly url: string;
  /** Where it keeps its log. */
  readonly dataDir: string;
  /** Stops it; calls fail until it is started again. */
  stop(): Promise<void>;
  /** Starts it again at the same address, on the same folder. */
  start(): Promise<void>;
  /** Stops it and removes its folder. */
  close(): Promise<void>;
}

export async function startTestEventStore(): Promise<TestEventStore> {
  const dataDir = await mkdtemp(join(tmpdir(), 'oo-eventstore-'));
  let running: Awaited<ReturnType<typeof startEventStore>> | undefined;
  let port = 0;
  const stop = async () => {
    await running?.close();
    running = undefined;
  };
  const start = async () => {
    running = await startEventStore({ dataDir, port, report: () => {} });
    port = running.port;
  };
  await start();
  return {
    url: `esdb://127.0.0.1:${port}?tls=false`,
    dataDir,
    stop,
    start,
    close: async () => {
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
