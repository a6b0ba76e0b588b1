import { instant } from '@oo/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY_MS } from '../person/calendar.js';
import { life } from '../person/life.js';
import { personOf } from '../person/person.js';
import type { Happening, Task } from '../records.js';
import { Ledger, ledgerSchema } from './ledger.js';

const START = Date.UTC(2026, 1, 2);
const at = instant(START);
const task = (id: string): Task => ({
  id,
  title: 'Put on a wash',
  notes: '',
  priority: 'low',
  createdAt: at,
});
const step: fc.Arbitrary<Happening> = fc
  .tuple(fc.constantFrom('a', 'b'), fc.constantFrom('created', 'changed', 'done', 'deleted'))
  .map(([id, what]) =>
    what === 'created' || what === 'changed'
      ? { kind: `task-${what}`, at, task: task(id) }
      : { kind: `task-${what === 'done' ? 'done' : 'deleted'}`, at, taskId: id },
  );

describe('the ledger', () => {
  it('closes a task once, and opens none again', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const ledger = new Ledger();
        const closed = new Set<string>();
        for (const happening of steps) {
          const happened = ledger.apply(happening);
          if (happening.kind === 'task-done' || happening.kind === 'task-deleted') {
            if (happened) expect(closed).not.toContain(happening.taskId);
            if (happened) closed.add(happening.taskId);
          }
          for (const id of closed) expect(ledger.isOpen(id)).toBe(false);
        }
        const open = ledger.openTasks().map(({ id }) => id);
        expect(open.filter((id) => closed.has(id))).toEqual([]);
      }),
    );
  });

  it('is the same when it has been written and read', () => {
    const ledger = new Ledger();
    for (const happening of life(personOf('kept', 0), START, START + 5 * DAY_MS)) ledger.apply(happening);
    const read = ledgerSchema.parse(JSON.parse(JSON.stringify(ledger)));
    expect(new Ledger(read).toJSON()).toEqual(ledger.toJSON());
    expect(read.tasks.length).toBeGreaterThan(5);
  });

  it('keeps the text of a task that is done, and none of one that is deleted', () => {
    const ledger = new Ledger();
    for (const id of ['done', 'deleted']) ledger.apply({ kind: 'task-created', at, task: task(id) });
    ledger.apply({ kind: 'task-done', at, taskId: 'done' });
    ledger.apply({ kind: 'task-deleted', at, taskId: 'deleted' });
    expect(ledger.openTasks()).toEqual([]);
    expect(ledger.task('done')?.title).toBe('Put on a wash');
    expect(ledger.task('deleted')).toBeUndefined();
  });

  it('lets go of what was over long ago, and of nothing that is open', () => {
    const ledger = new Ledger();
    for (const id of ['open', 'done']) ledger.apply({ kind: 'task-created', at, task: task(id) });
    ledger.apply({ kind: 'task-done', at, taskId: 'done' });
    ledger.forget(START + 20 * DAY_MS);
    expect(ledger.task('done')).toBeDefined();
    ledger.forget(START + 40 * DAY_MS);
    expect(ledger.task('done')).toBeUndefined();
    expect(ledger.isOpen('open')).toBe(true);
  });
});
