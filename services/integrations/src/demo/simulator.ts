import type { Simulator } from '../connectors/connector.js';
import { DAY_MS } from './person/calendar.js';
import { life } from './person/life.js';
import { marked } from './person/marked.js';
import { personOf } from './person/person.js';
import { Ledger } from './provider/ledger.js';

const FROM = Date.UTC(2026, 0, 5);

/** Two weeks of a life, as they come over the provider's wire. */
export const demoSimulator: Simulator = (seed, mark) => {
  const person = personOf(seed, 60);
  const ledger = new Ledger();
  const changes = life(person, FROM, FROM + 14 * DAY_MS).map((happening) => marked(happening, mark));
  const listings: unknown[] = [];
  const items: unknown[] = [];
  changes.forEach((change, index) => {
    if (!ledger.apply(change)) return;
    if (change.kind === 'task-created') items.push(change.task);
    if (index % 20 === 0) listings.push({ tasks: ledger.openTasks() });
  });
  return { changes, listings: [...listings, { tasks: ledger.openTasks() }], items };
};
