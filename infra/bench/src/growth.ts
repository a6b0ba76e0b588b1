import { randomInt } from 'node:crypto';
import type { UserId } from '@oo/contracts';
import type { EventStore } from '@oo/event-sourcing';
import { createLog } from '@oo/service-host';
import { SignalsController } from '@oo/signals';
import { latencies, type Measurement, measurement, median } from './measurement.js';
import { moodCommand } from './mood-command.js';
import { startOwnStore } from './own-store.js';
import { fill } from './streams-of-events.js';

const SMALLEST = 10_000;
const COMMANDS = 400;
/** People whose state the handler keeps. */
const KNOWN = 16;

/**
 * What a handled command costs as the store grows by powers of ten: of people whose state the handler has, and of
 * people whom it reads from the store first. The baseline is the same on the smallest store.
 */
export async function* growth(most: number, say: (line: string) => void): AsyncGenerator<Measurement> {
  const { store, close } = await startOwnStore();
  try {
    const people: UserId[] = [];
    const first: Partial<Record<'known' | 'unknown', number>> = {};
    let written = 0;
    for (let size = SMALLEST; size <= most; size *= 10) {
      const filled = await fill(store, size - written, (line) => say(`${line} on the way to ${size}`));
      written += filled.events;
      people.push(...filled.people);
      for (const kind of ['known', 'unknown'] as const) {
        const took = median(await commandsOf(store, people, kind));
        first[kind] ??= took;
        const against = `the same with ${SMALLEST} events`;
        yield measurement(`command-${kind}-${size}`, took, 'ms', first[kind], against);
      }
    }
  } finally {
    await close();
  }
}

/** Milliseconds of each command, one after the other. */
function commandsOf(
  store: EventStore,
  people: readonly UserId[],
  kind: 'known' | 'unknown',
): Promise<number[]> {
  const handler = () => new SignalsController(store, createLog('bench', 'silent'));
  const one = handler();
  const [from, known] = [randomInt(people.length), Math.min(KNOWN, people.length)];
  return latencies(COMMANDS, async (index) => {
    const offset = kind === 'known' ? from + (index % known) : randomInt(people.length);
    const user = people[offset % people.length];
    if (user === undefined) throw new RangeError('nobody lives there');
    const answer = await (kind === 'known' ? one : handler()).recordSignal(Buffer.from(moodCommand(user)));
    if (!JSON.stringify(answer).includes('recorded')) throw new Error(`a command failed: ${answer}`);
  });
}
