import { resolve } from 'node:path';
import { PROJECTION_NAMES } from '@oo/projections';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CommandError, EXIT, print } from '../output.js';
import type { Settings } from '../up/settings.js';
import { newProjection, newProjectionText } from './new-projection.js';
import {
  PARKED_NAMES,
  parkedList,
  parkedListText,
  parkedName,
  parkedRetry,
  parkedShow,
  parkedShownText,
  parkedSkip,
  retriedText,
  skippedText,
} from './parked.js';
import {
  listText,
  pauseOne,
  progressText,
  projectionName,
  rebuildOne,
  rebuiltText,
  resumeOne,
  standings,
  standingText,
  verifiedText,
  verifyAll,
} from './projections.js';
import { serversOf } from './servers.js';

type Json = { readonly json?: true };

const json = () => new Option('--json', 'print one line of JSON');
const NAMES = PROJECTION_NAMES.join(', ');
const WAITS_IN = PARKED_NAMES.join(', ');

function reasonArgument(text: string): string {
  if (!/^[\x20-\x7e]{3,200}$/.test(text)) {
    throw new InvalidArgumentError('Give 3 to 200 printable ASCII characters; nothing about the person.');
  }
  return text;
}

/**
 * Adds `oo projections`, `oo projection new` and `oo parked`.
 * @param person turns what stands for a person on the command line into a pseudonym
 */
export function addProjectionVerbs(
  oo: Command,
  settings: () => Settings,
  person: (text: string) => Promise<string>,
): void {
  const servers = () => serversOf(settings());
  const projections = oo
    .command('projections')
    .description(`the read models: ${NAMES}`)
    .addHelpText(
      'after',
      `
With OO_EVENTSTORE_URL, OO_READMODELS_URL and OO_NATS_URL set, these verbs work on those servers; otherwise on the oO
that runs here.

Examples:
  npx oo projections list
  npx oo projections rebuild timeline`,
    );

  projections
    .command('list')
    .description('version, lag and state of each')
    .addOption(json())
    .addHelpText(
      'after',
      '\nExamples:\n  npx oo projections list\n  npx oo projections list --json | jq ".[].lag"',
    )
    .action(async (options: Json) => {
      const all = await standings(servers());
      print(options.json === true, all, () => listText(all));
    });

  projections
    .command('status')
    .description('everything about one, or about each')
    .argument('[name]', NAMES)
    .addOption(json())
    .addHelpText(
      'after',
      '\nExamples:\n  npx oo projections status\n  npx oo projections status timeline --json',
    )
    .action(async (name: string | undefined, options: Json) => {
      const all = await standings(servers(), name === undefined ? undefined : [projectionName(name)]);
      print(options.json === true, name === undefined ? all : all[0], () =>
        all.map(standingText).join('\n\n'),
      );
    });

  projections
    .command('rebuild')
    .description('build its rows anew beside those in use, and swap them in; Ctrl-C and the same again go on')
    .argument('<name>', NAMES)
    .option('--from-start', 'forget how far an interrupted rebuild has got')
    .addOption(json())
    .addHelpText(
      'after',
      `
Pages and workers go on meanwhile. What was built by another "apply" is not told apart from yours: after a change of
the code, give --from-start. Exit code 130: interrupted.

Examples:
  npx oo projections rebuild timeline
  npx oo projections rebuild timeline --from-start --json`,
    )
    .action(async (text: string, options: Json & { fromStart?: true }) => {
      const name = projectionName(text);
      const stop = new AbortController();
      const interrupt = () => stop.abort();
      process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
      const say = progressLine();
      const rebuilt = await rebuildOne(servers(), name, {
        signal: stop.signal,
        fromStart: options.fromStart === true,
        progress: (progress) => say(progressText(name, progress)),
      });
      say(undefined);
      print(options.json === true, rebuilt, () => rebuiltText(rebuilt));
      if (rebuilt.outcome === 'interrupted') process.exitCode = INTERRUPTED;
    });

  projections
    .command('verify')
    .description('fold the store afresh, compare every row with those in use, and print the digest of both')
    .argument('[names...]', `all by default: ${NAMES}`)
    .addOption(json())
    .addHelpText(
      'after',
      '\nExamples:\n  npx oo projections verify\n  npx oo projections verify timeline --json',
    )
    .action(async (texts: string[], options: Json) => {
      const names = texts.length === 0 ? PROJECTION_NAMES : texts.map(projectionName);
      const all = await verifyAll(servers(), names);
      print(options.json === true, all, () => all.map(verifiedText).join('\n'));
      if (all.some(({ same }) => !same)) process.exitCode = EXIT.differs;
    });

  projections
    .command('pause')
    .description('let it write nothing until it is resumed; what it has can be read')
    .argument('<name>', NAMES)
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  npx oo projections pause timeline')
    .action(async (text: string, options: Json) => {
      const done = await pauseOne(servers(), projectionName(text));
      print(
        options.json === true,
        done,
        () => `${done.name} is paused; go on with: oo projections resume ${done.name}`,
      );
    });

  projections
    .command('resume')
    .description('go on where it was paused')
    .argument('<name>', NAMES)
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  npx oo projections resume timeline')
    .action(async (text: string, options: Json) => {
      const done = await resumeOne(servers(), projectionName(text));
      print(options.json === true, done, () => `${done.name} goes on`);
    });

  oo.command('projection')
    .description('make a new read model')
    .command('new')
    .description('make the folder of a read model that works and passes the suite that all inherit')
    .argument('<name>', 'lower-case words joined by dashes')
    .option('--into <folder>', 'the folder of the projections (that of this checkout)')
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  npx oo projection new weekly-moods')
    .action((name: string, options: Json & { into?: string }) => {
      const made = newProjection(name, options.into === undefined ? undefined : resolve(options.into));
      print(options.json === true, made, () => newProjectionText(made));
    });

  const parked = oo
    .command('parked')
    .description(
      'events that a read model or the recommender could not apply: their person waits there, everybody else goes on',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  npx oo parked list\n  npx oo parked show timeline demo\n  npx oo parked show recommender demo',
    );

  parked
    .command('list')
    .description('what is parked, where, and why')
    .argument('[name]', WAITS_IN)
    .addOption(json())
    .addHelpText(
      'after',
      `
Exit code 3: the recommender, or a part of it, does not answer; the read models' are listed all the same.

Examples:
  npx oo parked list
  npx oo parked list recommender --json`,
    )
    .action(async (name: string | undefined, options: Json) => {
      const { parked: all, untold } = await parkedList(
        servers(),
        name === undefined ? undefined : [parkedName(name)],
      );
      // "Nothing is parked." would claim what nobody knows.
      if (all.length > 0 || untold === undefined || options.json === true) {
        print(options.json === true, all, () => parkedListText(all));
      }
      if (untold !== undefined) {
        process.stderr.write(`${untold}\n`);
        process.exitCode = EXIT.unavailable;
      }
    });

  parked
    .command('show')
    .description('what of a person is parked, with the whole error, and what was skipped of theirs')
    .argument('<name>', WAITS_IN)
    .argument('<user>')
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  npx oo parked show timeline demo')
    .action(async (name: string, user: string, options: Json) => {
      const shown = await parkedShow(servers(), parkedName(name), await person(user));
      print(options.json === true, shown, () => parkedShownText(shown));
    });

  parked
    .command('retry')
    .description('apply it again: the code, or the row that stood in the way, may have been mended')
    .argument('<name>', WAITS_IN)
    .argument('[user]')
    .option('--all', 'everybody')
    .addOption(json())
    .addHelpText(
      'after',
      '\nExit code 1: something is still parked.\n\nExamples:\n  npx oo parked retry timeline demo\n  npx oo parked retry timeline --all',
    )
    .action(async (name: string, user: string | undefined, options: Json & { all?: true }) => {
      if ((user === undefined) === (options.all === undefined)) {
        throw new CommandError(EXIT.usage, 'Name a person, or give --all.');
      }
      const owner = user === undefined ? undefined : await person(user);
      const all = await parkedRetry(servers(), parkedName(name), owner);
      print(options.json === true, all, () => retriedText(all));
      if (all.some((one) => one.parked !== null)) process.exitCode = EXIT.differs;
    });

  parked
    .command('skip')
    .description('leave the parked event of a person out, now and in every rebuild')
    .argument('<name>', WAITS_IN)
    .argument('<user>')
    .requiredOption('--reason <text>', 'why; it is recorded as an event', reasonArgument)
    .addOption(json())
    .addHelpText(
      'after',
      '\nExit code 1: the next event of that person is parked now.\n\nExamples:\n  npx oo parked skip timeline demo --reason "a time before the epoch, sent by a broken clock"\n  npx oo parked skip recommender demo --reason "of a newer build, which was taken back"',
    )
    .action(async (name: string, user: string, options: Json & { reason: string }) => {
      const done = await parkedSkip(servers(), parkedName(name), await person(user), options.reason);
      print(options.json === true, done, () => skippedText(done));
      if (done.parked !== null) process.exitCode = EXIT.differs;
    });
}

/** As a shell says it of what Ctrl-C has ended. */
const INTERRUPTED = 130;
const EVERY_MS = 5_000;

/** One line that is written over on a terminal, and a line now and then elsewhere. `undefined` ends it. */
function progressLine(): (line: string | undefined) => void {
  const { stderr } = process;
  let said = performance.now();
  let open = false;
  return (line) => {
    if (line === undefined) {
      if (open) stderr.write('\n');
      open = false;
    } else if (stderr.isTTY) {
      stderr.write(`\r\x1b[K${line}`);
      open = true;
    } else if (performance.now() - said >= EVERY_MS) {
      stderr.write(`${line}\n`);
      said = performance.now();
    }
  };
}
