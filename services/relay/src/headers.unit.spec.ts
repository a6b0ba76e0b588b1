import { headers as clientHeaders } from '@nats-io/transport-node';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Headers } from './headers.js';

const name = fc.stringMatching(/^[A-Za-z][A-Za-z-]{0,30}$/);
// The client takes away what stands around a value.
const value = fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/);

it('are in the bytes that the client would make of them, and read as they were added', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(name, value), { selector: ([one]) => one.toLowerCase() }),
      (pairs) => {
        const [ours, clients] = [new Headers(), clientHeaders()];
        for (const [one, said] of pairs) {
          ours.add(one, said);
          clients.append(one, said);
        }
        if (pairs.length > 0) {
          const { encode } = clients as unknown as { encode(): Uint8Array };
          expect(Buffer.from(ours.encode())).toEqual(Buffer.from(encode.call(clients)));
        }
        expect(ours.entries()).toEqual(pairs);
        for (const [one, said] of pairs) expect(ours.get(one)).toBe(said);
        expect(ours.get('missing!')).toBeUndefined();
      },
    ),
  );
});

it.each(['a\r\nNats-Msg-Id: b', 'a\nb', 'a\rb', 'a\u010d\u010ab'])(
  'take no value that would begin another: %j',
  (bad) => {
    expect(() => new Headers().add('Oo-Position', bad)).toThrow(RangeError);
  },
);
