import fc from 'fast-check';
import { expect, it } from 'vitest';
import { instant, parseInstant } from './instants.js';

const moments = fc.date({
  min: new Date('0000-01-01T00:00:00Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});

it('an instant is read as it was written, and so is the same moment in other words', () => {
  fc.assert(
    fc.property(moments, (at) => {
      const written = instant(at.getTime());
      expect(parseInstant(written)).toBe(written);
      expect(parseInstant(at.toISOString())).toBe(written);
      expect(parseInstant(at.toISOString().replace('Z', '+00:00'))).toBe(written);
    }),
  );
});

it('what is no date is none, whatever it looks like', () => {
  for (const text of [
    '2026-02-30T08:00:00Z',
    '2026-13-01T08:00:00Z',
    '2026-01-00T08:00:00Z',
    '2026-01-01T25:00:00Z',
  ]) {
    expect(parseInstant(text), text).toBeUndefined();
  }
});
