import { ContextKind, Device, edge, ProblemError } from '@oo/contracts';
import { initTRPC, tracked } from '@trpc/server';
import { z } from 'zod';
import { NOT_SIGNED_IN } from '../caller/caller-guard.js';
import { grantConsent, register, standingOf } from '../consent/consent.js';
import { problemOf } from '../http/problem-of.js';
import { bigNumber } from '../http/query-values.js';
import { recordSignal } from '../signals/signal-ingress.js';
import { answerName, decisionId as tipId } from '../tips/answer-input.js';
import type { CurrentTip } from '../tips/current-tip.js';
import type { Explanation } from '../tips/explanation.js';
import { answerTip, decisionIdOfPath, showTip } from '../tips/tip-commands.js';
import type { PageContext } from './page-context.js';
import { problemOfRouter, trpcError } from './problems.js';

const PING_MS = 15_000;
/** A stream ends after this long and is opened again, so that an ended session does not go on in it. */
const LONGEST_STREAM_MS = 10 * 60_000;
/** An answer may have waited on a device for this long. */
const OLDEST_MS = 30 * 24 * 3_600_000;

const t = initTRPC.context<PageContext>().create({
  errorFormatter: ({ shape, error, path }) => ({
    ...shape,
    data: { code: shape.data.code, httpStatus: shape.data.httpStatus, problem: problemOfRouter(error, path) },
  }),
  sse: {
    ping: { enabled: true, intervalMs: PING_MS },
    client: { reconnectAfterInactivityMs: 2 * PING_MS + 5_000 },
    maxDurationMs: LONGEST_STREAM_MS,
  },
});

/** What is thrown inside is answered with the status of its problem. */
const anybody = t.procedure.use(async ({ next, path }) => {
  const result = await next();
  if (result.ok || result.error.code !== 'INTERNAL_SERVER_ERROR') return result;
  const found = problemOf(result.error.cause, { method: '', url: path });
  throw found.status === 500 ? result.error : trpcError(new ProblemError(found));
});
const signedIn = anybody.use(({ ctx, next }) => {
  if (ctx.caller === undefined) throw trpcError(new ProblemError(NOT_SIGNED_IN));
  return next({ ctx: { ...ctx, caller: ctx.caller } });
});

/**
 * How long ago something happened, by the device's own clock, which may be wrong about the time of day. The gateway's
 * clock makes a time of it.
 */
const agoMs = z.int().min(0).max(OLDEST_MS);
const key = edge.idempotencyKey;
const device = z.enum(['phone', 'tablet', 'desktop', 'watch', 'unknown']);
const utcOffsetMinutes = z
  .int()
  .min(-14 * 60)
  .max(14 * 60);

const DEVICES: Record<z.infer<typeof device>, Device> = {
  phone: Device.DEVICE_PHONE,
  tablet: Device.DEVICE_TABLET,
  desktop: Device.DEVICE_DESKTOP,
  watch: Device.DEVICE_WATCH,
  unknown: Device.DEVICE_UNSPECIFIED,
};

const pageSignal = (kind: ContextKind) =>
  signedIn
    .input(z.strictObject({ key, agoMs, device, utcOffsetMinutes }))
    .mutation(async ({ ctx: { parts, caller }, input }): Promise<void> => {
      await recordSignal(parts.commands, caller, {
        type: 'ContextObserved',
        idempotencyKey: input.key,
        occurredAt: parts.commands.before(input.agoMs),
        data: edge.events.ContextObserved.parse({
          kind,
          utcOffsetMinutes: input.utcOffsetMinutes,
          ...(input.device === 'unknown' ? {} : { device: DEVICES[input.device] }),
        }),
      });
    });

/** Whether somebody is signed in, and whether tips are allowed. */
export type Arrival =
  | { readonly signedIn: false }
  | {
      readonly signedIn: true;
      /** The pseudonym: what a device remembers belongs to nobody else. */
      readonly userId: string;
      readonly name: string;
      readonly consented: boolean;
    };

/** What the page asks of the gateway. */
export const pageRouter = t.router({
  /** The page is here. Registers a newcomer. */
  arrive: anybody
    .input(z.strictObject({ utcOffsetMinutes }))
    .mutation(async ({ ctx: { parts, caller }, input }): Promise<Arrival> => {
      if (caller === undefined) return { signedIn: false };
      const { registered, consented } = await standingOf(parts.eventStore, caller.userId);
      if (!registered) await register(parts.commands, caller, input.utcOffsetMinutes);
      const { userId, name } = caller;
      return { signedIn: true, userId, name, consented };
    }),

  /** The newcomer has read the first screen and begins. */
  begin: signedIn
    .input(z.strictObject({ key }))
    .mutation(({ ctx: { parts, caller }, input }) => grantConsent(parts.commands, caller, input.key)),

  opened: pageSignal(ContextKind.CONTEXT_KIND_PAGE_OPENED),
  closed: pageSignal(ContextKind.CONTEXT_KIND_PAGE_CLOSED),

  /** The tip now, and again whenever it changes. */
  currentTip: signedIn
    .input(z.strictObject({ lastEventId: z.string().max(64).nullish(), after: bigNumber.optional() }))
    .subscription(async function* ({ ctx: { parts, caller }, input, signal }) {
      if (signal === undefined) throw new Error('a subscription has a signal');
      const from = { seen: input.lastEventId ?? undefined, after: input.after };
      for await (const { id, current } of parts.tips.follow(caller.userId, signal, from)) {
        yield tracked(id, current satisfies CurrentTip);
      }
    }),

  /** The tip was really seen. */
  shown: signedIn
    .input(z.strictObject({ tipId, agoMs, deviceId: edge.deviceId }))
    .mutation(({ ctx: { parts, caller }, input }) =>
      showTip(parts.commands, caller, decisionIdOfPath(input.tipId), input.deviceId, {
        at: parts.commands.before(input.agoMs),
        field: 'agoMs',
      }),
    ),

  answer: signedIn
    .input(z.strictObject({ tipId, answer: answerName, agoMs, key }))
    .mutation(({ ctx: { parts, caller }, input }) =>
      answerTip(parts.commands, caller, decisionIdOfPath(input.tipId), input.answer, input.key, {
        at: parts.commands.before(input.agoMs),
        field: 'agoMs',
      }),
    ),

  why: signedIn
    .input(z.strictObject({ tipId }))
    .query(
      ({ ctx: { parts, caller }, input }): Promise<Explanation> =>
        parts.explanations.of(caller.userId, decisionIdOfPath(input.tipId)),
    ),
});
export type PageRouter = typeof pageRouter;
