import { derivedCommandId, tenantOf } from '@oo/contracts';
import { type Clock, delay, type ReadModels, type Standing } from '@oo/event-sourcing';
import { type Deadline, dueDeadlines, progressOf } from '@oo/projections';
import type { Log } from '@oo/service-host';
import type { Tips } from '../tips.js';
import { settled } from './reply.js';

const EVERY_MS = 500;
const BATCH = 100;

/**
 * Closes decisions whose time is over, by the clock that it is given. What is due stands in the read model
 * `deadlines`, so nothing is forgotten by a crash; and the command's id derives from the decision's, so nothing
 * happens twice.
 */
export class Deadlines {
  constructor(
    private readonly readModels: ReadModels,
    private readonly tips: Tips,
    private readonly clock: Clock,
    private readonly log: Log,
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
    const due = await dueDeadlines(this.readModels, this.clock.now(), BATCH);
    await Promise.all(due.map((deadline) => this.#close(deadline)));
    return due.length;
  }

  /** At rest when the read model has nothing that is due. */
  async standing(): Promise<Standing> {
    const position = await progressOf(this.readModels, 'deadlines');
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
