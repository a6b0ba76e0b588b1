import { randomUUID } from 'node:crypto';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import {
  CLOCK_SUBJECT,
  type CommandReply,
  ConsentScope,
  DecisionRecord,
  decisionIdOf,
  epochMs,
  type Instant,
  instant,
  Proposal,
  proposalSubject,
  QUERIES,
  streamOf,
  TipKind,
  TriggerKind,
  tenantId,
  type UserId,
} from '@oo/contracts';
import { ensureStream, requestJson, STREAMS, sendCommand } from '@oo/event-sourcing';
import { ProjectionsModule, projectionsConfig } from '@oo/projections';
import { RelayModule } from '@oo/relay';
import { type RunningService, startService } from '@oo/service-host';
import { appendDirectly, type Backbone, someone, startBackbone } from '@oo/service-host/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tipsConfig } from './config.js';
import { TipsModule } from './tips.module.js';

const NINE = '2026-03-02T09:00:00Z' as Instant;
const after = (minutes: number) => instant(epochMs(NINE) + minutes * 60_000);

let backbone: Backbone;
let service: RunningService;

/** Everything that a decision passes through, in one process. */
const line = () =>
  startService(
    {
      name: 'line',
      config: tipsConfig.extend(projectionsConfig.shape),
      modules: [TipsModule, RelayModule, ProjectionsModule],
    },
    { ...backbone.environment, OO_CLOCK: 'steered' },
  );

beforeAll(async () => {
  // The clock is steered here.
  backbone = await startBackbone({ postgres: true, ownBroker: true, ownEventStore: true });
  service = await line();
  await clockAt(NINE);
});
afterAll(async () => {
  await service?.close();
  await backbone?.close();
});

async function clockAt(now: Instant): Promise<void> {
  service.parts.nats.publish(CLOCK_SUBJECT, JSON.stringify({ now }));
  await service.parts.nats.flush();
}

/** A person who has consented. */
async function registered(): Promise<UserId> {
  const user = someone();
  await appendDirectly(
    service.parts.eventStore,
    user,
    [
      { type: 'UserRegistered', data: { utcOffsetMinutes: 0 } },
      {
        type: 'ConsentGranted',
        data: { scope: ConsentScope.CONSENT_SCOPE_TIPS, termsVersion: 'v1' },
      },
    ],
    NINE,
  );
  return user;
}

function proposalOf(
  user: UserId,
  at: Instant,
  acts: boolean,
  change: Partial<DecisionRecord> = {},
): Proposal {
  const trigger = { kind: TriggerKind.TRIGGER_KIND_SIGNAL, id: randomUUID(), at };
  return {
    userId: user,
    tenantId: tenantId('home'),
    correlationId: randomUUID(),
    causationId: trigger.id,
    decision: {
      decisionId: decisionIdOf(user, trigger.kind, trigger.id),
      decidedAt: at,
      trigger,
      policy: 'random',
      policyVersion: 'v0',
      priorVersion: 'none',
      stateDigest: '00'.repeat(32),
      foldedTo: [],
      context: [],
      candidates: [{ ref: 'demo:task:1', kind: TipKind.TIP_KIND_TODO, features: [], probability: 1 }],
      unavailable: [],
      actProbability: 0.5,
      utcOffsetMinutes: 0,
      seed: '0'.repeat(16),
      choice: acts ? 'demo:task:1' : '',
      momentReasons: [],
      tipReasons: [],
      holdsUntil: instant(epochMs(at) + (acts ? 120 : 60) * 60_000),
      ...change,
    },
  };
}

async function publish(user: UserId, body: string, id: string = randomUUID()): Promise<void> {
  await jetstream(service.parts.nats).publish(proposalSubject(user), body, { msgID: id });
}
async function propose(proposal: Proposal): Promise<string> {
  await publish(proposal.userId as UserId, JSON.stringify(Proposal.toJSON(proposal)));
  return proposal.decision?.decisionId ?? '';
}

const WORKERS = ['relay', 'proposals', 'deadlines', 'current-tip', 'timeline', 'decisions'];
/** Waits until nothing happens any more. */
async function quiet(): Promise<void> {
  const { nats } = service.parts;
  const head = async () =>
    ((await requestJson(nats, QUERIES.historyHead, {})) as { position: string }).position;
  for (let attempt = 0; attempt < 20; attempt++) {
    const position = await head();
    const settled = await Promise.all(
      WORKERS.map((worker) =>
        requestJson(nats, QUERIES.progress(worker), { position, timeoutMs: 5_000 }, 10_000),
      ),
    );
    if (settled.every((answer) => (answer as { settled: boolean }).settled) && position === (await head()))
      return;
  }
  throw new Error('it never came to rest');
}

async function tipsOf(user: UserId) {
  const events = await service.parts.eventStore.readLast(streamOf('tips', user), 1_000);
  return events.map(({ type, data }) => ({ type, data: data as Record<string, unknown> }));
}
const typesOf = async (user: UserId) => (await tipsOf(user)).map(({ type }) => type);

function context(user: UserId, at: Instant) {
  return {
    commandId: randomUUID(),
    userId: user,
    tenantId: 'home',
    correlationId: randomUUID(),
    causationId: randomUUID(),
    producer: 'page',
    occurredAt: at,
    receivedAt: at,
  };
}
const answer = (user: UserId, tipId: string, given: string, at: Instant): Promise<CommandReply> =>
  sendCommand(service.parts.nats, 'AnswerTip', user, { context: context(user, at), tipId, answer: given });

describe('a proposal', () => {
  it('becomes a tip, once, however often it is proposed', async () => {
    const user = await registered();
    const proposal = proposalOf(user, NINE, true);
    for (let times = 0; times < 3; times++) await propose(proposal);
    await quiet();
    const [event, ...others] = await service.parts.eventStore.readLast(streamOf('tips', user), 10);
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      type: 'TipProposed',
      data: { decision: DecisionRecord.toJSON(proposal.decision ?? DecisionRecord.fromJSON({})) },
      metadata: { producer: 'recommender', $causationId: proposal.causationId, recordedAt: NINE },
    });
  });

  it('is void without consent, and while a tip is active', async () => {
    const stranger = someone();
    await propose(proposalOf(stranger, NINE, true));
    const user = await registered();
    await propose(proposalOf(user, NINE, true));
    await propose(proposalOf(user, NINE, true));
    await quiet();
    expect(await tipsOf(stranger)).toMatchObject([
      { type: 'DecisionVoided', data: { reason: 'VOID_REASON_NO_CONSENT' } },
    ]);
    expect(await tipsOf(user)).toMatchObject([
      { type: 'TipProposed' },
      { type: 'DecisionVoided', data: { reason: 'VOID_REASON_TIP_ACTIVE' } },
    ]);
  });

  it('is void when it is not valid but says what it is about; otherwise it is given up and holds nobody up', async () => {
    const user = await registered();
    const { nats } = service.parts;
    const broken = proposalOf(user, NINE, true);
    const json = Proposal.toJSON(broken) as { decision: Record<string, unknown> };
    await publish(user, 'not JSON');
    await publish(user, JSON.stringify({ userId: user }));
    await publish(someone(), JSON.stringify(Proposal.toJSON(proposalOf(user, NINE, true))));
    await publish(user, JSON.stringify({ ...json, decision: { ...json.decision, seed: 'no seed' } }));
    await propose(proposalOf(user, NINE, false));
    await quiet();
    expect(await tipsOf(user)).toMatchObject([
      {
        type: 'DecisionVoided',
        data: { reason: 'VOID_REASON_INVALID', decisionId: broken.decision?.decisionId },
      },
      { type: 'TipWithheld' },
    ]);
    const { num_ack_pending, num_redelivered } = await (await jetstreamManager(nats)).consumers.info(
      STREAMS.proposals.name,
      'tips',
    );
    expect({ num_ack_pending, num_redelivered }).toEqual({ num_ack_pending: 0, num_redelivered: 0 });
  });

  it('is handled after the event store was away', async () => {
    const user = await registered();
    await quiet();
    await backbone.eventStore?.stop();
    await propose(proposalOf(user, NINE, true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await backbone.eventStore?.start();
    await quiet();
    expect(await typesOf(user)).toEqual(['TipProposed']);
  });

  it('is handled after the streams of the broker were deleted', async () => {
    const user = await registered();
    const jsm = await jetstreamManager(service.parts.nats);
    await quiet();
    await jsm.streams.delete(STREAMS.proposals.name);
    await jsm.streams.delete(STREAMS.events.name);
    await ensureStream(jsm, STREAMS.proposals);
    await propose(proposalOf(user, NINE, true));
    await quiet();
    expect(await typesOf(user)).toEqual(['TipProposed']);
  });
});

describe('an answer', () => {
  it('closes the tip and its horizon; a second, different one is refused', async () => {
    const user = await registered();
    const tipId = await propose(proposalOf(user, NINE, true));
    await quiet();
    expect((await answer(user, tipId, 'ANSWER_DONE', after(3))).result?.$case).toBe('recorded');
    expect((await answer(user, tipId, 'ANSWER_NO', after(4))).result).toMatchObject({
      $case: 'problem',
      problem: { type: 'urn:oo:problem:already-answered', status: 409 },
    });
    expect((await answer(user, randomUUID(), 'ANSWER_NO', after(4))).result).toMatchObject({
      $case: 'problem',
      problem: { type: 'urn:oo:problem:unknown-tip', status: 404 },
    });
    expect(await tipsOf(user)).toMatchObject([
      { type: 'TipProposed' },
      { type: 'TipCompleted', data: { tipId } },
      {
        type: 'DecisionOutcomeClosed',
        data: { outcome: 'OUTCOME_KIND_COMPLETED', horizonStartedAt: NINE, horizonEndedAt: after(3) },
      },
    ]);
  });

  it('comes of the task itself when that is done at its source, or gone', async () => {
    const [done, gone, other] = [await registered(), await registered(), await registered()];
    for (const user of [done, gone, other]) await propose(proposalOf(user, NINE, true));
    await quiet();
    const { eventStore } = service.parts;
    await appendDirectly(
      eventStore,
      done,
      [{ type: 'TaskCompleted', data: { ref: 'demo:task:1' } }],
      after(5),
    );
    await appendDirectly(
      eventStore,
      gone,
      [
        {
          type: 'TaskObserved',
          data: {
            ref: 'demo:task:1',
            state: 'TASK_STATE_GONE' as never,
            priority: 'PRIORITY_NORMAL' as never,
          },
        },
      ],
      after(5),
    );
    await appendDirectly(
      eventStore,
      other,
      [{ type: 'TaskCompleted', data: { ref: 'demo:task:2' } }],
      after(5),
    );
    await quiet();
    expect(await typesOf(done)).toEqual(['TipProposed', 'TipCompleted', 'DecisionOutcomeClosed']);
    expect(await typesOf(gone)).toEqual(['TipProposed', 'TipExpired', 'DecisionOutcomeClosed']);
    expect(await typesOf(other)).toEqual(['TipProposed']);
  });

  it('comes of a completion that came while its decision was on the way', async () => {
    const user = await registered();
    const { eventStore } = service.parts;
    await appendDirectly(eventStore, user, [{ type: 'TaskCompleted', data: { ref: 'demo:task:1' } }], NINE);
    await quiet();
    await propose(proposalOf(user, NINE, true));
    await quiet();
    expect(await typesOf(user)).toEqual(['TipProposed', 'TipCompleted', 'DecisionOutcomeClosed']);
  });

  it('does not come of a completion from before the tip', async () => {
    const user = await registered();
    const earlier = instant(epochMs(NINE) - 3_600_000);
    await appendDirectly(
      service.parts.eventStore,
      user,
      [{ type: 'TaskCompleted', data: { ref: 'demo:task:1' } }],
      earlier,
    );
    await propose(proposalOf(user, NINE, true));
    await quiet();
    // Delivered anew, since the stream is.
    await (await jetstreamManager(service.parts.nats)).streams.delete(STREAMS.events.name);
    await quiet();
    expect(await typesOf(user)).toEqual(['TipProposed']);
  });
});

describe('a deadline', () => {
  it('fires when the clock has come to it, once, also over a restart', async () => {
    const [ignored, waiting] = [await registered(), await registered()];
    const tipId = await propose(proposalOf(ignored, NINE, true));
    await propose(proposalOf(waiting, NINE, false));
    await quiet();
    const shown = { context: context(ignored, after(1)), tipId, deviceId: 'phone' };
    await sendCommand(service.parts.nats, 'ShowTip', ignored, shown);

    await clockAt(after(59));
    await quiet();
    expect(await typesOf(waiting)).toEqual(['TipWithheld']);
    await clockAt(after(61));
    await quiet();
    expect(await tipsOf(waiting)).toMatchObject([
      { type: 'TipWithheld' },
      { data: { outcome: 'OUTCOME_KIND_WAITED', horizonEndedAt: after(60) } },
    ]);

    // The tip ends at 11:00, and may be answered until 11:10.
    await clockAt(after(125));
    await quiet();
    expect(await typesOf(ignored)).toEqual(['TipProposed', 'TipShown']);
    await service.close();
    service = await line();
    await clockAt(after(131));
    await quiet();
    expect(await tipsOf(ignored)).toMatchObject([
      { type: 'TipProposed' },
      { type: 'TipShown' },
      { type: 'TipExpired', data: { shown: true } },
      { data: { outcome: 'OUTCOME_KIND_IGNORED', horizonEndedAt: after(120) } },
    ]);
    await service.close();
    service = await line();
    await clockAt(after(140));
    await quiet();
    expect(await typesOf(ignored)).toHaveLength(4);
    await clockAt(NINE);
  });
});
