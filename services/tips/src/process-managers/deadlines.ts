import { derivedCommandId, tenantOf } from '@oo/contracts';
import { type Clock, delay, type ReadModels, type Standing } from '@oo/event-sourcing';
import { type Deadline, dueDeadlines, progressOf } from '@oo/projections';
import type { Log } from '@oo/service-host';
import type { Tips } from '../tips.js';
import { settled } from './reply.js';

const EVERY_MS = 500;
const BATCH = 100;

/** Where deadlines stand: the read model in Postgres, or a simulation's. */
export interface DeadlineRows {
  /** What is due at `now` (RFC 3339), the longest overdue first. */
  due(now: string, limit: number): Promise<Deadline[]>;
  /** Position up to which the rows reflect the store; -1 for nothing yet. */
  position(): Promise<bigint>;
}

export const deadlineRowsOf = (readModels: ReadModels): DeadlineRows => ({
  due: (now, limit) => dueDeadlines(readModels, now, limit),
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
        const more = (await this.pass()) === BATCH;
        if (down) this.log.info('deadlines are kept again');
        down = false;
        if (more) continue;
      } catch (err) {
        if (!down) this.log.warn({ err }, 'deadlines cannot be kept now; trying again');
        down = true;
      }
      await delay(EVERY_MS, signal);
    }
  }

  /** Closes what is due now. @returns how many were */
  async pass(): Promise<number> {
    const due = await this.rows.due(this.clock.now(), BATCH);
    await Promise.all(due.map((deadline) => this.#close(deadline)));
    return due.length;
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
