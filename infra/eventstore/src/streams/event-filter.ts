import type { RecordView } from '../storage/record.js';

/** Which events of `$all` a reader wants: by the name of their stream or by their type. */
export class EventFilter {
  private constructor(
    private readonly on: 'stream' | 'type',
    private readonly regex: RegExp | undefined,
    private readonly prefixes: readonly string[],
  ) {}

  static prefixes(on: 'stream' | 'type', prefixes: readonly string[]): EventFilter {
    return new EventFilter(on, undefined, prefixes);
  }

  /** @throws SyntaxError when the expression does not compile. */
  static regex(on: 'stream' | 'type', source: string): EventFilter {
    return new EventFilter(on, fromDotNet(source), []);
  }

  matches(record: RecordView): boolean {
    const text = this.on === 'stream' ? record.stream : record.type;
    if (this.regex !== undefined) return this.regex.test(text);
    return this.prefixes.some((prefix) => text.startsWith(prefix));
  }
}

/** The expression in JavaScript's dialect: leading inline options and the anchors that .NET spells differently. */
function fromDotNet(source: string): RegExp {
  let flags = '';
  const inline = /^\(\?([imsnx]+)\)/.exec(source);
  const rest = inline === null ? source : source.slice(inline[0].length);
  for (const option of inline?.[1] ?? '')
    if ('ims'.includes(option) && !flags.includes(option)) flags += option;
  return new RegExp(
    rest.replace(/\\(.)/gs, (whole, letter) =>
      letter === 'A' ? '^' : letter === 'z' || letter === 'Z' ? '$' : whole,
    ),
    flags,
  );
}
