import {
  type CandidateItem,
  CandidateList,
  EVENTS,
  edge,
  type FetchText,
  type ListCandidates,
  newUserId,
  Priority,
  payloadJson,
  TipKind,
  tenantId,
} from '@oo/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchText } from '../fetch-text.js';
import { listCandidates } from '../list-candidates.js';
import { type RecordedProvider, serveRecorded } from '../providers/recorded-provider.js';
import { admit } from './admission.js';
import type { Connector } from './connector.js';
import { FEATURES, manifestSchema, refParts } from './manifest.js';
import { Registry } from './registry.js';
import { signalBody } from './signal.js';

const USER = newUserId(tenantId('home'), new Uint8Array(16).fill(7));
const MARK = 'CANARY-7f3a';

/**
 * What every connector has to hold, written once: an author calls this in a spec and inherits the tests. The
 * simulator's traffic goes through the mapper and through the very code that answers the queries.
 */
export function connectorSuite(connector: Connector): void {
  const { manifest, mapper, simulator } = connector;
  const traffic = simulator('suite', MARK);
  const signals = traffic.changes.map((change) => mapper.signal(change));
  const refs = () =>
    signals.flatMap((signal) =>
      signal !== undefined && 'ref' in signal.event.data ? [signal.event.data.ref] : [],
    );

  describe(`connector ${manifest.name}`, () => {
    it('has a valid manifest', () => {
      expect(manifestSchema.parse(manifest)).toEqual(manifest);
    });

    it('simulates the same traffic for the same seed, with texts in it, and another for another seed', () => {
      expect(simulator('suite', MARK)).toEqual(traffic);
      expect(simulator('another', MARK)).not.toEqual(traffic);
      for (const part of [traffic.changes, traffic.listings, traffic.items]) {
        expect(part.length).toBeGreaterThan(0);
        expect(JSON.stringify(part)).toContain(MARK);
      }
    });

    it('maps all of its own traffic', () => {
      expect(signals).not.toContain(undefined);
      expect(traffic.listings.map((listing) => mapper.listing(listing)?.unreadable)).toEqual(
        traffic.listings.map(() => 0),
      );
      expect(traffic.items.map((item) => mapper.text(item))).not.toContain(undefined);
    });

    it('sends signals that the ingress takes, of the types that the manifest names and no other', () => {
      const types = new Set<string>();
      for (const signal of signals) {
        if (signal === undefined) continue;
        const { type } = signal.event;
        types.add(type);
        expect(EVENTS[type].category).toBe('signals');
        expect(edge.events[type].parse(payloadJson(signal.event))).toEqual(signal.event.data);
        expect(edge.idempotencyKey.safeParse(signal.idempotencyKey).success).toBe(true);
        expect(edge.timestamp.parse(signal.occurredAt)).toBe(signal.occurredAt);
      }
      expect([...types].sort()).toEqual([...manifest.signals].sort());
    });

    it('gives each signal a key of its own, the same whenever it is mapped', () => {
      const keys = signals.map((signal) => signal?.idempotencyKey);
      expect(new Set(keys).size).toBe(keys.length);
      expect(traffic.changes.map((change) => mapper.signal(change)?.idempotencyKey)).toEqual(keys);
    });

    it('refers to its own things alone', () => {
      expect(refs().length).toBeGreaterThan(0);
      for (const ref of refs()) expect(refParts(ref)?.provider).toBe(manifest.name);
    });

    it('lets no text out in a signal', () => {
      const posted = signals.map((signal) => (signal === undefined ? undefined : signalBody(signal)));
      expect(JSON.stringify(posted)).not.toContain(MARK);
    });

    it('does not change what it is given', () => {
      const before = JSON.stringify(traffic);
      for (const change of traffic.changes) mapper.signal(change);
      for (const listing of traffic.listings) mapper.listing(listing);
      for (const item of traffic.items) mapper.text(item);
      expect(JSON.stringify(traffic)).toBe(before);
    });

    it('answers any JSON, and what is broken in its own', () => {
      const own = [...traffic.changes, ...traffic.listings, ...traffic.items];
      const broken = fc
        .tuple(fc.constantFrom(...own), fc.string(), fc.jsonValue())
        .map(([json, field, value]) => damaged(json, field, value));
      fc.assert(
        fc.property(fc.oneof(fc.jsonValue(), broken), (json) => {
          const signal = mapper.signal(json);
          if (signal !== undefined) {
            const parsed = edge.events[signal.event.type].safeParse(payloadJson(signal.event));
            expect(parsed.error).toBeUndefined();
          }
          mapper.listing(json);
          mapper.text(json);
        }),
      );
    });

    it('lets nothing be admitted that its manifest does not allow', () => {
      const ref = fc.oneof(
        fc.string(),
        fc.constantFrom(...Object.keys(manifest.kinds).map((kind) => `${manifest.name}:${kind}:1`)),
        fc.constantFrom(`other:task:1`, `${manifest.name}:unknown:1`, `${manifest.name}:task:a text`),
      );
      const item: fc.Arbitrary<CandidateItem> = fc.record({
        ref,
        kind: fc.constantFrom(TipKind.TIP_KIND_TODO, TipKind.TIP_KIND_ADVICE, TipKind.TIP_KIND_UNSPECIFIED),
        priority: fc.constantFrom(...Object.values(Priority)),
        dueAt: fc.option(fc.oneof(fc.string(), fc.constant('2026-01-05T08:00:00Z')), { nil: undefined }),
        estimatedMinutes: fc.option(fc.integer(), { nil: undefined }),
      });
      fc.assert(
        fc.property(item, (mapped) => {
          // A mapper that copies too much: its text must not get out either.
          const admitted = admit(manifest, Object.assign({ title: MARK }, mapped));
          if (admitted === undefined) return;
          expect(JSON.stringify(admitted)).not.toContain(MARK);
          expect(refParts(admitted.ref)?.provider).toBe(manifest.name);
          for (const feature of FEATURES) {
            if (manifest.features.includes(feature)) continue;
            expect([undefined, Priority.PRIORITY_UNSPECIFIED]).toContain(admitted[feature]);
          }
          expect(
            edge.queries.CandidateList.safeParse(CandidateList.toJSON({ items: [admitted], unreachable: [] }))
              .error,
          ).toBeUndefined();
        }),
      );
    });
  });

  describe(`connector ${manifest.name}, asked over HTTP`, () => {
    let provider: RecordedProvider;
    let registry: Registry;
    const noticed: unknown[] = [];
    const notice = (event: unknown) => void noticed.push(event);
    const query: ListCandidates = { userId: USER, at: '2026-01-05T08:00:00Z' };
    beforeAll(async () => {
      provider = await serveRecorded();
      registry = new Registry([connector], { [manifest.address]: provider.url });
    });
    afterAll(() => provider.close());

    it('offers its listing as references and allowed features, and no text', async () => {
      for (const listing of traffic.listings) {
        provider.answerWith(200, JSON.stringify(listing));
        const candidates = await listCandidates(registry, query, notice);
        expect(candidates.unreachable).toEqual([]);
        expect(candidates.items.map(({ ref }) => ref)).toEqual(
          (mapper.listing(listing)?.items ?? []).map(({ ref }) => ref).sort(),
        );
        expect(JSON.stringify(CandidateList.toJSON(candidates))).not.toContain(MARK);
      }
    });

    it('gives the text when it is asked for it, from the path that the manifest names', async () => {
      for (const item of traffic.items.slice(0, 5)) {
        provider.answerWith(200, JSON.stringify(item));
        const asked: FetchText = {
          userId: USER,
          ref: `${manifest.name}:${Object.keys(manifest.kinds)[0]}:x1`,
        };
        const text = await fetchText(registry, asked, notice);
        expect(text).toMatchObject({ ref: asked.ref, title: expect.stringContaining(MARK) });
        expect(edge.queries.TipText.safeParse(text).error).toBeUndefined();
        expect(provider.lastPath()).toBe(manifest.item.replace('{user}', USER).replace('{id}', 'x1'));
      }
    });

    it('is named as unreachable when it answers badly, and no word of its answer is noticed', async () => {
      const bad: [number, string][] = [
        [500, MARK],
        [200, `{"${MARK}`],
        [200, JSON.stringify(MARK)],
        [302, MARK],
      ];
      for (const [status, body] of bad) {
        provider.answerWith(status, body);
        const candidates = await listCandidates(registry, query, notice);
        expect(candidates).toEqual({ items: [], unreachable: [manifest.name] });
      }
      expect(noticed.length).toBe(bad.length);
      expect(JSON.stringify(noticed)).not.toContain(MARK);
    });
  });
}

/** A copy with one of its fields, at any depth, replaced. */
function damaged(json: unknown, field: string, value: unknown): unknown {
  const fields: [Record<string, unknown>, string][] = [];
  const copy: unknown = structuredClone(json);
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [name, child] of Object.entries(node)) {
      fields.push([node as Record<string, unknown>, name]);
      visit(child);
    }
  };
  visit(copy);
  const [owner, name] = fields[field.length % Math.max(1, fields.length)] ?? [];
  if (owner !== undefined && name !== undefined) owner[name] = value;
  return copy;
}
