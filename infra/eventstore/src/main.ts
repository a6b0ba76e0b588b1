#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { startEventStore } from './server.js';

const USAGE = `An embedded EventStoreDB.

  eventstore --data DIR [--port N] [--host ADDRESS]

  --data DIR       where everything is kept
  --port N         2113 unless given; 0 chooses a free one
  --host ADDRESS   127.0.0.1 unless given
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      port: { type: 'string', default: '2113' },
      host: { type: 'string', default: '127.0.0.1' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (values.data === undefined)
    throw new Error('--data DIR is missing: the folder where everything is kept');
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`--port is '${values.port}'; it takes a number from 0 to 65535`);
  }
  const server = await startEventStore({ dataDir: values.data, port, host: values.host });
  process.stdout.write(`eventstore ready on ${values.host}:${server.port}\n`);
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      server.close().then(
        () => process.exit(0),
        (error: unknown) => fail(error),
      );
    });
  }
}

function fail(error: unknown): void {
  process.stderr.write(`eventstore: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

main().catch(fail);
