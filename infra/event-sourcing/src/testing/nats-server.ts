import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, natsAnswers, natsCommand, natsUrl } from '@oo/embedded';
import { type Child, startChild } from './child.js';

/** A nats-server with JetStream in a temporary folder, on loopback. */
export interface TestNatsServer {
  readonly url: string;
  /** Where JetStream keeps its streams. */
  readonly dataDir: string;
  /** Ends it as a crash would, and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again at the same address, on the same folder. */
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  close(): Promise<void>;
}

export async function startNatsServer(): Promise<TestNatsServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'oo-nats-'));
  const options = { dataDir, port: await freePort(), token: 'test' };
  let child: Child | undefined;
  const start = async () => {
    child = await startChild(natsCommand(options), () => natsAnswers(options.port));
  };
  const kill = async () => child?.kill('SIGKILL');
  await start();
  return {
    url: natsUrl(options),
    dataDir,
    kill,
    start,
    close: async () => {
      await kill();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
