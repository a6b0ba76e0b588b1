import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Problem } from '@oo/contracts';
import { type RunFile, readRunFile, startTimeOf } from '@oo/embedded';
import { type ReadModels, readModels } from '@oo/projections';
import { CommandError, EXIT } from './output.js';

/** The oO that runs with a data folder. @throws CommandError when none does. */
export function runningIn(dataDir: string): RunFile {
  const run = readRunFile(dataDir);
  if (run === undefined || startTimeOf(run.supervisor.pid) !== run.supervisor.startTime) {
    throw new CommandError(
      EXIT.unavailable,
      `oO does not run with the data in ${dataDir}. Start it with: npm start`,
    );
  }
  return run;
}

/** @throws CommandError when the address is not known: another version wrote the run file. */
export function addressOf(run: RunFile, name: string): string {
  const value = run.environment[name];
  if (value === undefined)
    throw new CommandError(EXIT.unavailable, `${name} is not known; start oO again with: npm start`);
  return value;
}

/** Runs `use` with a connection to the broker and closes it. */
export function withBroker<Result>(
  run: RunFile,
  use: (nats: NatsConnection) => Promise<Result>,
): Promise<Result> {
  return withBrokerAt(addressOf(run, 'OO_NATS_URL'), use);
}

export async function withBrokerAt<Result>(
  address: string,
  use: (nats: NatsConnection) => Promise<Result>,
): Promise<Result> {
  const url = new URL(address);
  const nats = await connect({
    servers: url.host,
    ...(url.username === '' ? {} : { token: decodeURIComponent(url.username) }),
    maxReconnectAttempts: 0,
    timeout: 3000,
  }).catch((error: Error) => {
    throw new CommandError(
      EXIT.unavailable,
      `nats-server does not answer (${error.message}); see: npx oo status`,
    );
  });
  try {
    return await use(nats);
  } finally {
    await nats.close();
  }
}

/** Runs `use` with a connection to the read models and closes it. */
export async function withReadModels<Result>(
  run: RunFile,
  use: (sql: ReadModels) => Promise<Result>,
): Promise<Result> {
  const sql = readModels(addressOf(run, 'OO_READMODELS_URL'), { max: 2, name: 'oo' });
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Asks over the broker; a problem in the answer ends the command with its words. */
export async function ask(
  nats: NatsConnection,
  subject: string,
  body: unknown,
  timeoutMs = 10_000,
): Promise<unknown> {
  const reply = await nats
    .request(subject, JSON.stringify(body), { timeout: timeoutMs })
    .catch((error: Error) => {
      throw new CommandError(
        EXIT.unavailable,
        `${subject} is not answered (${error.message}); see: npx oo status`,
      );
    });
  const answer = reply.json<Record<string, unknown>>();
  if (answer.problem !== undefined) throw refused(answer.problem as Problem);
  return answer;
}

export function refused(problem: Problem): CommandError {
  const code = problem.status === 404 ? EXIT.notFound : EXIT.refused;
  return new CommandError(code, `${problem.title}. ${problem.detail ?? ''}`.trim());
}
