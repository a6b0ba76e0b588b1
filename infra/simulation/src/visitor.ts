import {
  type CommandId,
  type CommandName,
  CommandReply,
  instant,
  type Recorded,
  signalCommandId,
  tenantOf,
  type UserId,
} from '@oo/contracts';
import type { EventLog } from './event-log.js';
import { type Invariants, NO_BUG, NO_COMMAND_LOST } from './invariants.js';
import type { Random } from './random.js';
import type { VirtualTime } from './virtual-time.js';

/** Sends a command to one of the handlers. @throws Error where nobody answers */
export type Send = (name: CommandName, body: string) => Promise<unknown>;

interface Command {
  readonly name: CommandName;
  readonly commandId: CommandId;
  readonly occurredAt: string;
  readonly fields: Readonly<Record<string, unknown>>;
  acknowledged: Recorded | undefined;
}

/** What a page, or a producer, is told to go on from. */
export interface Page {
  /** The tip that a person's page shows. */
  tipOf(user: UserId): string | undefined;
}

const AGAIN = ['urn:oo:problem:unavailable', 'urn:oo:problem:conflict'];
const ANSWERS = ['ANSWER_DONE', 'ANSWER_WILL_DO', 'ANSWER_LATER', 'ANSWER_NO'];
const TASKS = 5;

/** A person with a page and a producer, both of which send again until they are answered, and now and then later too. */
export class Visitor {
  /** Commands on their way. */
  outstanding = 0;
  acknowledged = 0;
  readonly #sent: Command[] = [];
  #isDone = false;

  constructor(
    readonly user: UserId,
    private readonly time: VirtualTime,
    private readonly random: Random,
    private readonly log: EventLog,
    private readonly invariants: Invariants,
    private readonly page: Page,
    private readonly send: Send,
  ) {}

  async live(): Promise<void> {
    await this.#command('RegisterUser', {});
    const preferences = {
      quietFromMinute: 0,
      quietUntilMinute: 0,
      dailyBudget: this.random.pick([3, 20, 100]),
    };
    await this.#command('ChangePreferences', { preferences });
    const consent = { scope: 'CONSENT_SCOPE_TIPS', termsVersion: 'v1' };
    await this.#command('GrantConsent', consent);
    while (!this.#isDone) {
      await this.time.sleep(this.random.between(50, 1_500));
      if (this.#isDone) return;
      const action = this.random.below(24);
      if (action === 0) void this.#command('WithdrawConsent', { scope: consent.scope });
      else if (action < 3) void this.#command('GrantConsent', consent);
      else if (action < 6) this.#sendAgain();
      else if (action < 12) this.#lookAtTip();
      else void this.#signal();
    }
  }

  leave(): void {
    this.#isDone = true;
  }

  #signal(): Promise<void> {
    const ref = `demo:task:${this.random.below(TASKS)}`;
    const kinds = [
      { contextObserved: { kind: 'CONTEXT_KIND_PAGE_OPENED', device: 'DEVICE_PHONE' } },
      { contextObserved: { kind: 'CONTEXT_KIND_PAGE_OPENED', device: 'DEVICE_PHONE' } },
      { contextObserved: { kind: 'CONTEXT_KIND_PAGE_CLOSED', device: 'DEVICE_PHONE' } },
      { contextObserved: { kind: 'CONTEXT_KIND_DEVICE_ACTIVE' } },
      { moodReported: { valence: this.random.below(5) - 2, energy: this.random.below(5) - 2 } },
      { taskObserved: { ref, state: 'TASK_STATE_OPEN' } },
      { taskObserved: { ref, state: this.random.pick(['TASK_STATE_OPEN', 'TASK_STATE_GONE']) } },
      { taskCompleted: { ref } },
    ];
    const idempotencyKey = this.random.uuid();
    const commandId = signalCommandId(this.user, PRODUCER, idempotencyKey);
    return this.#command('RecordSignal', { idempotencyKey, ...this.random.pick(kinds) }, commandId);
  }

  #lookAtTip(): void {
    const tipId = this.page.tipOf(this.user);
    if (tipId === undefined) return;
    if (this.random.chance(0.4)) void this.#command('ShowTip', { tipId, deviceId: 'phone' });
    else void this.#command('AnswerTip', { tipId, answer: this.random.pick(ANSWERS) });
  }

  /** An outbox that has not heard: the same command, although others came after it. */
  #sendAgain(): void {
    if (this.#sent.length > 0) void this.#insist(this.random.pick(this.#sent));
  }

  #command(
    name: CommandName,
    fields: Readonly<Record<string, unknown>>,
    commandId = this.random.uuid() as CommandId,
  ): Promise<void> {
    const occurredAt = instant(this.time.wall());
    const command: Command = { name, commandId, occurredAt, fields, acknowledged: undefined };
    this.#sent.push(command);
    return this.#insist(command);
  }

  async #insist(command: Command): Promise<void> {
    this.outstanding++;
    for (;;) {
      const body = JSON.stringify({ context: this.#context(command), ...command.fields });
      const reply = await this.send(command.name, body).catch(() => undefined);
      if (reply !== undefined && this.#take(command, CommandReply.fromJSON(reply))) break;
      await this.time.sleep(this.random.between(20, 400));
    }
    this.outstanding--;
  }

  #context({ commandId, occurredAt }: Command): Record<string, unknown> {
    return {
      commandId,
      userId: this.user,
      tenantId: tenantOf(this.user),
      correlationId: commandId,
      causationId: commandId,
      producer: PRODUCER,
      occurredAt,
      receivedAt: instant(this.time.wall()),
    };
  }

  /** @returns whether that is the end of it */
  #take(command: Command, { result }: CommandReply): boolean {
    if (result?.$case === 'problem') {
      const { type, detail } = result.problem;
      if (type === 'urn:oo:problem:internal' || type === 'urn:oo:problem:invalid-input') {
        this.invariants.fail(NO_BUG, `${command.name} was answered ${type}: ${detail}`);
      }
      if (command.acknowledged !== undefined && !AGAIN.includes(type)) {
        this.invariants.fail(NO_COMMAND_LOST, `${command.name} was acknowledged and is now refused: ${type}`);
      }
      return !AGAIN.includes(type);
    }
    if (result?.$case !== 'recorded') return false;
    this.acknowledged++;
    this.#hold(command, result.recorded);
    return true;
  }

  /** What was acknowledged is there, and is answered the same for ever. */
  #hold(command: Command, recorded: Recorded): void {
    const { name, commandId } = command;
    const { stream, revision, position, eventIds } = recorded;
    const before = command.acknowledged;
    if (eventIds.length === 0 && before === undefined) return;
    const events = eventIds.map((id) => this.log.find(id));
    const last = events.at(-1);
    if (
      last === undefined ||
      last.stream !== stream ||
      last.revision !== revision ||
      last.position !== position
    ) {
      this.invariants.fail(NO_COMMAND_LOST, `${name} ${commandId}: ${textOf(recorded)} is not in the store`);
    }
    if (before !== undefined && textOf(before) !== textOf(recorded)) {
      this.invariants.fail(
        NO_COMMAND_LOST,
        `${name} ${commandId} was answered ${textOf(before)}, and now ${textOf(recorded)}`,
      );
    }
    command.acknowledged ??= recorded;
  }
}

const PRODUCER = 'simulation';

const textOf = ({ stream, revision, position, eventIds }: Recorded): string =>
  `${stream}@${revision}/${position} [${eventIds.join()}]`;
