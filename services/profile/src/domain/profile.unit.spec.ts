import { ConsentScope, derivedCommandId, newUserId, tenantId } from '@oo/contracts';
import { fold, specificationOf } from '@oo/event-sourcing';
import { describe, expect, it } from 'vitest';
import { mayTip, type ProfileCommand, type ProfileEvent, profileDecider } from './profile.js';

const context = {
  commandId: derivedCommandId('spec', 'profile'),
  userId: newUserId(tenantId('home'), new Uint8Array(16)),
  tenantId: tenantId('home'),
  correlationId: derivedCommandId('spec', 'correlation'),
  causationId: derivedCommandId('spec', 'causation'),
  producer: 'page',
  occurredAt: '2026-03-02T08:00:00Z',
  receivedAt: '2026-03-02T08:00:00Z',
};
const TIPS = ConsentScope.CONSENT_SCOPE_TIPS;
const evening = { quietFromMinute: 0, quietUntilMinute: 0, dailyBudget: 1 };

const register: ProfileCommand = { type: 'RegisterUser', command: { context, utcOffsetMinutes: 60 } };
const change: ProfileCommand = { type: 'ChangePreferences', command: { context, preferences: evening } };
const grant = (termsVersion: string): ProfileCommand => ({
  type: 'GrantConsent',
  command: { context, scope: TIPS, termsVersion },
});
const withdraw: ProfileCommand = { type: 'WithdrawConsent', command: { context, scope: TIPS } };

const registered: ProfileEvent = { type: 'UserRegistered', data: { utcOffsetMinutes: 60 } };
const changed: ProfileEvent = { type: 'PreferencesChanged', data: evening };
const granted = (termsVersion: string): ProfileEvent => ({
  type: 'ConsentGranted',
  data: { scope: TIPS, termsVersion },
});
const withdrawn: ProfileEvent = { type: 'ConsentWithdrawn', data: { scope: TIPS } };
const erased: ProfileEvent = { type: 'UserErased', data: { requestedAt: context.occurredAt } };

const given = specificationOf(profileDecider);

describe('a profile', () => {
  it('begins once', () => {
    given().when(register).then(registered);
    given(registered).when(register).thenNothingHappened();
  });
  it('is needed for everything else', () => {
    for (const command of [change, grant('v1'), withdraw]) given().when(command).thenRejected('unknown-user');
  });
  it('holds preferences; the same again are no change', () => {
    given(registered).when(change).then(changed);
    given(registered, changed).when(change).thenNothingHappened();
  });
  it('holds consents; new words are agreed to anew', () => {
    given(registered).when(grant('v1')).then(granted('v1'));
    given(registered, granted('v1')).when(grant('v1')).thenNothingHappened();
    given(registered, granted('v1')).when(grant('v2')).then(granted('v2'));
    given(registered, granted('v1')).when(withdraw).then(withdrawn);
    given(registered).when(withdraw).thenNothingHappened();
    given(registered, granted('v1'), withdrawn).when(grant('v1')).then(granted('v1'));
  });
  it('takes nothing from the future', () => {
    const command = { context: { ...context, occurredAt: '2026-03-02T08:05:01Z' }, utcOffsetMinutes: 0 };
    given().when({ type: 'RegisterUser', command }).thenRejected('from-the-future');
  });
  it('ends', () => {
    for (const command of [register, change, grant('v1'), withdraw]) {
      given(registered, granted('v1'), erased).when(command).thenRejected('unknown-user');
    }
  });
  it('says whether tips may be shown', () => {
    const may = (...events: ProfileEvent[]) =>
      mayTip(fold(profileDecider, profileDecider.initialState(), events));
    expect(may()).toBe(false);
    expect(may(registered)).toBe(false);
    expect(may(registered, granted('v1'))).toBe(true);
    expect(may(registered, granted('v1'), withdrawn)).toBe(false);
    expect(may(registered, granted('v1'), erased)).toBe(false);
  });
});
