import { type CommandReply, newUserId, problem, tenantId } from '@oo/contracts';
import { EventStoreUnavailable } from '@oo/event-sourcing';
import type { Deadline } from '@oo/projections';
import { expect, it } from 'vitest';
import type { TipsCommand } from '../domain/commands.js';
import type { Tips } from '../tips.js';
import { Deadlines } from './deadlines.js';

const SOME = 350;
const userId = newUserId(tenantId('home'), new Uint8Array(16));
const deadlines = Array.from(
  { length: SOME },
  (_, index): Deadline => ({
    userId,
    decisionId: `decision-${index}`,
    dueAt: '2026-01-05T10:00:00Z',
    ref: null,
  }),
);
const nothing: CommandReply = {
  result: {
    $case: 'recorded',
    recorded: { stream: 's', revision: 0n, position: 0n, eventIds: [], duplicate: false },
  },
};

/** Rows that stay, as those of a person who is parked do. */
function deadlinesThat(answer: (decisionId: string) => Promise<CommandReply>) {
  const asked: string[] = [];
  const rows = {
    due: async (_: string, limit: number, after?: Deadline) => {
      const from = after === undefined ? 0 : deadlines.indexOf(after) + 1;
      return deadlines.slice(from, from + limit);
    },
    position: async () => 0n,
  };
  const tips = {
    handle: ({ command }: TipsCommand) => {
      const { decisionId } = command as { decisionId: string };
      asked.push(decisionId);
      return answer(decisionId);
    },
  } as unknown as Tips;
  const clock = { now: () => '2026-01-05T11:00:00Z' } as ConstructorParameters<typeof Deadlines>[2];
  const log = { info: () => undefined, warn: () => undefined };
  return { asked, deadlines: new Deadlines(rows, tips, clock, log) };
}

it('reaches all that is due, though what is due before it does not go away', async () => {
  const { asked, deadlines: one } = deadlinesThat(async () => nothing);
  expect(await one.pass()).toBe(SOME);
  expect(new Set(asked).size).toBe(SOME);
});

it('reaches the others when one person’s stream cannot be read, and tells it', async () => {
  const { asked, deadlines: one } = deadlinesThat(async (id) => {
    if (Number(id.slice(9)) < 120) throw new Error(`${id} is unreadable`);
    return nothing;
  });
  await expect(one.pass()).rejects.toThrow('decision-0 is unreadable');
  expect(asked).toHaveLength(SOME);
});

it('does not ask on while the store does not answer', async () => {
  const away = deadlinesThat(async () => {
    throw new EventStoreUnavailable('away');
  });
  await expect(away.deadlines.pass()).rejects.toThrow('away');
  expect(away.asked.length).toBeLessThan(SOME);
  const refused = deadlinesThat(async () => ({
    result: { $case: 'problem', problem: problem('unavailable', 'the store is away') },
  }));
  await expect(refused.deadlines.pass()).rejects.toThrow('the store is away');
  expect(refused.asked.length).toBeLessThan(SOME);
});

it('does not go round without a pause', async () => {
  const { asked, deadlines: one } = deadlinesThat(async () => nothing);
  const stop = new AbortController();
  const running = one.run(stop.signal);
  await new Promise((resolve) => setTimeout(resolve, 200));
  stop.abort();
  await running;
  expect(asked).toHaveLength(SOME);
});
