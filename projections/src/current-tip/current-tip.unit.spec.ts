import { TipKind } from '@oo/contracts';
import { givenEvents } from '@oo/event-sourcing';
import { describe, expect, it } from 'vitest';
import { lifeOf, someone, uuid } from '../testing/events.js';
import { currentTipProjection } from './apply.js';
import { currentTipTable } from './tables.js';

const user = someone();
const ada = lifeOf(user);
const [one, two] = [uuid('one'), uuid('two')];
const proposed = (id: string) => ada.proposed({ id, choice: 'demo:task:1' });
const noTip = { tip_id: null, kind: null, ref: null, proposed_at: null, holds_until: null, shown_at: null };
const AT = '2026-01-05T08:10:00Z';

describe('current-tip', () => {
  it('has the tip that was proposed', async () => {
    const result = await givenEvents(currentTipProjection, proposed(one));
    result.thenRows(currentTipTable, {
      user_id: user,
      tip_id: one,
      kind: 'todo',
      ref: 'demo:task:1',
      proposed_at: '2026-01-05T08:00:00Z',
      holds_until: '2026-01-05T10:00:00Z',
      shown_at: null,
      revision: 0n,
    });
  });

  it('knows an advice', async () => {
    const advice = ada.proposed({ id: one, choice: 'oo:advice:stretch', kind: TipKind.TIP_KIND_ADVICE });
    (await givenEvents(currentTipProjection, advice)).thenRows(currentTipTable, { kind: 'advice' });
  });

  it('keeps when it was first shown', async () => {
    const shown = [ada.shown(one, AT), ada.shown(one, '2026-01-05T09:00:00Z')];
    const result = await givenEvents(currentTipProjection, proposed(one), ...shown);
    result.thenRows(currentTipTable, { tip_id: one, shown_at: AT, revision: 2n });
  });

  it.each([
    ['accepted', ada.accepted(one, AT)],
    ['completed', ada.completed(one, AT)],
    ['snoozed', ada.snoozed(one, AT, '2026-01-05T11:10:00Z')],
    ['dismissed', ada.dismissed(one, AT)],
    ['expired', ada.expired(one, true)],
  ])('has none once it is %s', async (_, end) => {
    const result = await givenEvents(currentTipProjection, proposed(one), end);
    result.thenRows(currentTipTable, { ...noTip, revision: 1n });
  });

  it('keeps the present tip when an answer to an earlier one comes late', async () => {
    const late = [proposed(one), ada.expired(one, true), proposed(two), ada.completed(one, AT)];
    const result = await givenEvents(currentTipProjection, ...late);
    result.thenRows(currentTipTable, { tip_id: two, shown_at: null, revision: 3n });
  });

  it('moves its revision with a decision to say nothing', async () => {
    const result = await givenEvents(currentTipProjection, ada.withheld({ id: one }));
    result.thenRows(currentTipTable, { user_id: user, ...noTip, revision: 0n });
  });

  it('keeps people apart', async () => {
    const other = someone();
    const events = [
      proposed(one),
      lifeOf(other).proposed({ id: two, choice: 'demo:task:2' }),
      ada.expired(one, false),
    ];
    const rows = (await givenEvents(currentTipProjection, ...events)).rows(currentTipTable);
    const tips = Object.fromEntries(rows.map((row) => [row.user_id, row.tip_id]));
    expect(tips).toEqual({ [user]: null, [other]: two });
  });
});
