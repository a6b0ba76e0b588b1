import { derivedCommandId, tenantOf } from '@oo/contracts';
import { type Clock, delay, type ReadModels, type Standing } from '@oo/event-sourcing';
import { type Deadline, dueDeadlines, progressOf } from '@oo/projections';
import type { Log } from '@oo/service-host';
import type { Tips } from '../tips.js';
import { isDown, settled } from './reply.js';

const EVERY_MS = 500;
const BATCH = 100;

/** Where deadlines stand: the read model in Postgres, or a simulation's. */
export interface DeadlineRows {
  /** What is due at `now` (RFC 3339), the longest overdue first; behind `after`, where that is given. */
  due(now: string, limit: number, after?: Deadline): Promise<Deadline[]>;
  /** Position up to which the rows reflect the store; -1 for nothing yet. */
  position(): Promise<bigint>;
}

export const deadlineRowsOf = (readModels: ReadModels): DeadlineRows => ({
  due: (now, limit, after) => dueDeadlines(readModels, now, limit, after),
  position: () => progressOf(readModels, 'deadlines'),
});

/**
 * Closes decisions whose time is over, by the clock that it is given. What is due stands in the read model
 * `deadlines`, so nothing is forgotten by a crash; and the command's id derives from the decision's, so nothing
 * happens twice.
 */
export class Deadlines {
  constructor(
    private readonly rows: DeadlineRows,
    private readonly tips: Tips,
    private readonly clock: Clock,
    private readonly log: Pick<Log, 'info' | 'warn'>,
  ) {}

  /** Looks for what is due until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    let down = false;
    while (!signal.aborted) {
      try {
        await this.pass();
        if (down) this.log.info('deadlines are kept again');
        down = false;
      } catch (err) {
        if (!down) this.log.warn({ err }, 'deadlines cannot be kept now; trying again');
        down = true;
      }
      await delay(EVERY_MS, signal);
    }
  }

  /**
   * Closes what is due now. What cannot be closed holds up nothing else, whoever it is of.
   * @returns how many were due
   * @throws the first of what went wrong, when all have had their turn; at once where the store does not answer
   */
  async pass(): Promise<number> {
    const now = this.clock.now();
    const failures: unknown[] = [];
    let [count, last]: [number, Deadline | undefined] = [0, undefined];
    do {
      const due: Deadline[] = await this.rows.due(now, BATCH, last);
      const results = await Promise.allSettled(due.map((deadline) => this.#close(deadline)));
      const failed = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
      failures.push(...failed);
      if (failed.length > 0 && failed.every(isDown)) break;
      count += due.length;
      // A row may stay for long: of a person who is parked, or of a read model that is paused.
      last = due.length < BATCH ? undefined : due.at(-1);
    } while (last !== undefined);
    if (failures.length > 0) throw failures[0];
    return count;
  }

  /** At rest when the read model has nothing that is due. */
  async standing(): Promise<Standing> {
    const position = await this.rows.position();
    return { position, atRest: (await this.pass()) === 0 };
  }

  async #close({ userId, decisionId }: Deadline): Promise<void> {
    const now = this.clock.now();
    const reply = await this.tips.handle({
      type: 'CloseDecision',
      command: {
        context: {
          commandId: derivedCommandId('close-decision', decisionId),
          userId,
          tenantId: tenantOf(userId),
          correlationId: decisionId,
          causationId: decisionId,
          producer: 'tips',
          occurredAt: now,
          receivedAt: now,
        },
        decisionId,
      },
    });
    const refused = settled(reply);
    if (refused !== undefined) this.log.warn({ refused, decisionId }, 'a deadline came to nothing');
  }
}
