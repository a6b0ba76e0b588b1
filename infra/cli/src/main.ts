import { isUserId, parseInstant } from '@oo/contracts';
import { ROOT } from '@oo/embedded';
import { ConfigError } from '@oo/service-host/config';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { CommandError, EXIT, errorText, print } from './output.js';
import { resolveUser, withToken } from './people.js';
import { addProjectionVerbs } from './projections/commands.js';
import { runningIn } from './running.js';
import { readSettings, strangers } from './up/settings.js';
import { speaker } from './up/speaker.js';
import { up } from './up/up.js';
import { COMMAND_LINE, PRODUCER, person, personText } from './verbs/person.js';
import { replay, replayText } from './verbs/replay.js';
import { reset } from './verbs/reset.js';
import { signal } from './verbs/signal.js';
import { status, statusText } from './verbs/status.js';
import { timeline, timelineText } from './verbs/timeline.js';
import { tokenOf } from './verbs/token.js';
import { why, whyText } from './verbs/why.js';

const settings = () => readSettings(process.env, process.cwd(), ROOT);
const running = () => runningIn(settings().dataDir);

function instantArgument(text: string): string {
  const at = parseInstant(text);
  if (at === undefined) {
    throw new InvalidArgumentError('Give an RFC 3339 time such as 2026-01-31T08:00:00Z.');
  }
  return at;
}

function countArgument(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 500)
    throw new InvalidArgumentError('Give a number from 1 to 500.');
  return count;
}

function cursorArgument(text: string): bigint {
  const cursor = /^\d{1,19}$/.test(text) ? BigInt(text) : -1n;
  if (cursor < 0n || cursor >= 2n ** 63n) {
    throw new InvalidArgumentError('Give the cursor that the page before ended with.');
  }
  return cursor;
}

// `oo … | head` has read enough; that is no failure.
process.stdout.on('error', (error: Error & { code?: string }) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

const json = () => new Option('--json', 'print one line of JSON, also of an error (on standard error)');

/** Asked for before the words are understood, since they may be what is wrong. */
const inJson = process.argv.includes('--json');

const oo = new Command('oo')
  .description('oO shows one tip at the moment when it helps. This is its command line.')
  .version('0.1.0')
  .exitOverride()
  .configureOutput(inJson ? { writeErr: () => undefined } : {})
  .configureHelp({ sortSubcommands: false })
  .addHelpText(
    'after',
    `
USER is a pseudonym, demo, or a name given to "oo person".

Exit codes: 0 done; 1 it ran, and what it checked differs; 2 wrong words; 3 oO does not run or a part of it does
not answer; 4 no such thing; 5 refused; 70 a bug in oO.

Examples:
  npx oo status
  npx oo signal MoodReported --data '{"valence":1,"energy":-1}'
  npx oo timeline demo --limit 5
  npx oo why last
  npx oo replay demo

Settings are environment variables: OO_DATA_DIR (.oo), OO_PORT (4646), OO_EVENTSTORE_URL, OO_NATS_URL,
OO_READMODELS_URL, OO_VAULT_URL (each: use this server instead of an embedded one), OO_DEMO (on, off),
OO_DEMO_SEED, OO_DEMO_WEEKS, OO_POLICY (heuristic, learned, random), OO_TENANT, OO_LOG_LEVEL.`,
  );

oo.command('up')
  .description('start everything and keep it running until Ctrl-C')
  .addOption(new Option('--json', 'when ready, print one line of JSON; progress goes to standard error'))
  .addHelpText(
    'after',
    '\nExamples:\n  npx oo up\n  OO_PORT=8080 OO_DEMO=off npx oo up\n  npx oo up --json | jq .url',
  )
  .action(async (options: { json?: true }) => {
    const stop = new AbortController();
    for (const signalName of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signalName, () => stop.abort());
    const say = speaker(options.json === true ? process.stderr : process.stdout);
    const given = settings();
    for (const line of strangers(process.env)) say(`  ! ${line}`);
    await up(given, stop.signal, say, (ready) => {
      if (options.json === true) print(true, ready, () => ready.url);
    });
  });

oo.command('status')
  .description('health, lag and version of every part')
  .addOption(json())
  .addHelpText('after', '\nExamples:\n  npx oo status\n  npx oo status --json | jq .consumers')
  .action(async (options: { json?: true }) => {
    const state = await status(running());
    print(options.json === true, state, () => statusText(state));
    if (!state.healthy) process.exitCode = EXIT.differs;
  });

oo.command('signal')
  .description('post one signal through the public ingress')
  .argument(
    '<type>',
    'TaskObserved, TaskCompleted, HabitChecked, BusyTimeObserved, MoodReported or ContextObserved',
  )
  .option('--data <json>', 'the payload', '{}')
  .option('--user <user>', 'whose signal it is', 'demo')
  .option('--at <time>', 'when it happened (now)', instantArgument)
  .option('--key <key>', 'idempotency key: the same key again is the same signal (random)')
  .addOption(json())
  .addHelpText(
    'after',
    `
Examples:
  npx oo signal MoodReported --data '{"valence":1,"energy":-1}'
  npx oo signal TaskObserved --data '{"ref":"demo:task:7","priority":"PRIORITY_HIGH"}' --key my-7
  npx oo signal HabitChecked --data '{"ref":"demo:habit:1","done":true,"streak":3}' --user ada`,
  )
  .action(
    async (type: string, options: { data: string; user: string; at?: string; key?: string; json?: true }) => {
      const run = running();
      const at = options.at ?? new Date().toISOString();
      const recorded = await withToken(run, options.user, COMMAND_LINE, (token) =>
        signal({ url: run.url, token, type, data: options.data, at, key: options.key }),
      );
      print(options.json === true, recorded, () =>
        recorded.duplicate === true
          ? `recorded before: event ${recorded.eventId}`
          : `recorded: event ${recorded.eventId}, revision ${recorded.revision} of ${recorded.stream}`,
      );
    },
  );

oo.command('timeline')
  .description('what happened to a person, newest first')
  .argument('<user>')
  .option('--limit <count>', 'how many events', countArgument, 20)
  .option('--before <cursor>', 'go on where an earlier page ended', cursorArgument)
  .addOption(json())
  .addHelpText('after', '\nExamples:\n  npx oo timeline demo\n  npx oo timeline demo --limit 100 --json')
  .action(async (user: string, options: { limit: number; before?: bigint; json?: true }) => {
    const page = await timeline(running(), user, options);
    print(options.json === true, page, () => timelineText(page));
  });

oo.command('why')
  .description('why a tip was shown or nothing was said: the record in words, then decided again')
  .argument('<tip>', 'id of a tip or of a decision, "last" (the last tip) or "last-withheld"')
  .option('--user <user>', 'whose last one', 'demo')
  .addOption(json())
  .addHelpText(
    'after',
    '\nExamples:\n  npx oo why last\n  npx oo why last-withheld\n  npx oo why 0b9f6a2e-… --json',
  )
  .action(async (tip: string, options: { user: string; json?: true }) => {
    const answer = await why(running(), tip, options.user);
    print(options.json === true, answer, () => whyText(answer));
    if (!answer.identical) process.exitCode = EXIT.differs;
  });

oo.command('replay')
  .description('compute state and decisions of a person again and compare them with what was recorded')
  .argument('[user]', 'the person')
  .option('--all', 'everybody')
  .option('--until <time>', 'only what was recorded until then', instantArgument)
  .addOption(json())
  .addHelpText(
    'after',
    '\nExamples:\n  npx oo replay demo\n  npx oo replay demo --until 2026-01-31T08:00:00Z\n  npx oo replay --all --json',
  )
  .action(async (user: string | undefined, options: { all?: true; until?: string; json?: true }) => {
    if ((user === undefined) === (options.all === undefined)) {
      throw new CommandError(EXIT.usage, 'Name a person, or give --all.');
    }
    const result = await replay(running(), user, options.until);
    print(options.json === true, result, () => replayText(result));
    if (!result.identical) process.exitCode = EXIT.differs;
  });

oo.command('person')
  .description('register somebody with consent, and make a token for a producer')
  .argument('<name>', 'lower-case letters, digits and "-"')
  .addOption(json())
  .addHelpText(
    'after',
    '\nExamples:\n  npx oo person ada\n  OO_TOKEN=$(npx oo person ada --json | jq -r .token) python3 examples/producer.py',
  )
  .action(async (name: string, options: { json?: true }) => {
    const made = await person(running(), name);
    print(options.json === true, made, () => personText(made));
  });

oo.command('token')
  .description('make a new token with which a producer posts a person’s signals; it ends the last one')
  .argument('[user]', 'the person', 'demo')
  .addOption(json())
  .addHelpText('after', '\nExamples:\n  npx oo token\n  npx oo token ada --json')
  .action(async (user: string, options: { json?: true }) => {
    const made = await tokenOf(running(), user, PRODUCER);
    print(options.json === true, made, () => made.token);
  });

// A pseudonym stands for itself, so that these verbs need no vault.
addProjectionVerbs(oo, settings, async (text) => (isUserId(text) ? text : resolveUser(running(), text)));

oo.command('reset')
  .description('delete the data folder’s content, after asking')
  .option('--yes', 'do not ask')
  .option('--derived', 'only what is rebuilt from the event store: broker and read models')
  .addOption(json())
  .addHelpText('after', '\nExamples:\n  npx oo reset\n  npx oo reset --derived --yes')
  .action(async (options: { yes?: true; derived?: true; json?: true }) => {
    const result = await reset(settings().dataDir, options.yes === true, options.derived === true);
    print(options.json === true, result, () =>
      result.deleted.length === 0 ? 'There was nothing to delete.' : `Deleted: ${result.deleted.join(', ')}`,
    );
  });

const fail = (exitCode: number, message: string) => {
  process.stderr.write(`${errorText(inJson, exitCode, message)}\n`);
  process.exitCode = exitCode;
};

try {
  await oo.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    // Commander has said it already, in text.
    if (inJson && error.exitCode !== 0) fail(EXIT.usage, error.message.replace(/^error: /, ''));
  } else if (error instanceof CommandError) {
    fail(error.exitCode, error.message);
  } else if (error instanceof ConfigError) {
    fail(EXIT.usage, error.message);
  } else {
    // What nobody foresaw: named in a line, with its stack for a report, and told apart from "it differs".
    fail(EXIT.unexpected, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}
