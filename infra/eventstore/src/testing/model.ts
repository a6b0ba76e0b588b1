/**
 * What an event store does, in a hundred lines and without any of its reasons: streams are lists in memory. The tests
 * hold the server's store against it.
 */
export type Expected = 'any' | 'no_stream' | 'stream_exists' | number;

export interface ModelEvent {
  readonly id: string;
  readonly revision: number;
}

export type Outcome =
  | { readonly kind: 'appended'; readonly revision: number }
  | { readonly kind: 'wrong-expected-version'; readonly current: number }
  | { readonly kind: 'stream-deleted' };

interface ModelStream {
  events: ModelEvent[];
  tombstoned: boolean;
  maxCount: number | undefined;
  truncateBefore: number | undefined;
  softDeleted: boolean;
  hasMetadata: boolean;
}

export class Model {
  private readonly streams = new Map<string, ModelStream>();

  private stream(name: string): ModelStream {
    let stream = this.streams.get(name);
    if (stream === undefined) {
      stream = {
        events: [],
        tombstoned: false,
        maxCount: undefined,
        truncateBefore: undefined,
        softDeleted: false,
        hasMetadata: false,
      };
      this.streams.set(name, stream);
    }
    return stream;
  }

  append(name: string, expected: Expected, ids: readonly string[]): Outcome {
    const stream = this.stream(name);
    const check = this.check(stream, expected, ids);
    if (check !== 'write') return check;
    const first = stream.events.length;
    stream.events.push(...ids.map((id, n) => ({ id, revision: first + n })));
    if (stream.softDeleted) {
      stream.softDeleted = false;
      stream.truncateBefore = first;
      stream.maxCount = undefined;
    }
    return { kind: 'appended', revision: stream.events.length - 1 };
  }

  private check(stream: ModelStream, expected: Expected, ids: readonly string[]): Outcome | 'write' {
    const current = stream.events.length - 1;
    const wrong: Outcome = { kind: 'wrong-expected-version', current };
    if (stream.tombstoned) return { kind: 'stream-deleted' };
    if (expected === 'stream_exists') {
      if (stream.softDeleted) return { kind: 'stream-deleted' };
      if (current < 0 && !stream.hasMetadata) return wrong;
    }
    if (expected === 'any' || expected === 'stream_exists') {
      const known = ids.map((id) => stream.events.findLast((event) => event.id === id));
      if (known[0] === undefined) return 'write';
      const last = known[known.length - 1];
      return last === undefined || known.includes(undefined)
        ? wrong
        : { kind: 'appended', revision: last.revision };
    }
    const exact = expected === 'no_stream' ? -1 : expected;
    if (exact === current) return 'write';
    if (exact > current) return wrong;
    const repeated = ids.filter((id, n) => stream.events[exact + 1 + n]?.id === id).length;
    if (ids.length > 0 && repeated === ids.length) return { kind: 'appended', revision: exact + ids.length };
    const firstIsNew = stream.events[exact + 1]?.id !== ids[0];
    return expected === 'no_stream' && stream.softDeleted && firstIsNew ? 'write' : wrong;
  }

  delete(name: string, expected: Expected, forGood: boolean): Outcome {
    const stream = this.stream(name);
    const check = this.check(stream, expected, ['a new id']);
    if (check !== 'write') return check;
    const current = stream.events.length - 1;
    if (!forGood && current < 0 && !stream.hasMetadata) return { kind: 'wrong-expected-version', current };
    if (forGood) stream.tombstoned = true;
    else {
      stream.softDeleted = true;
      stream.hasMetadata = true;
      stream.maxCount = undefined;
    }
    return { kind: 'appended', revision: current };
  }

  /** Replaces the metadata; on a softly deleted stream this brings it back, truncated. */
  setMetadata(
    name: string,
    metadata: { maxCount?: number; truncateBefore?: number },
  ): 'ok' | 'stream-deleted' {
    const stream = this.stream(name);
    if (stream.tombstoned && !stream.hasMetadata) return 'stream-deleted';
    stream.maxCount = metadata.maxCount;
    stream.truncateBefore = stream.softDeleted ? stream.events.length : metadata.truncateBefore;
    stream.softDeleted = false;
    stream.hasMetadata = true;
    return 'ok';
  }

  /** The ids that can be read, oldest first. */
  read(name: string): 'missing' | 'deleted' | ModelEvent[] {
    const stream = this.stream(name);
    if (stream.tombstoned) return 'deleted';
    if (stream.events.length === 0 || stream.softDeleted) return 'missing';
    const first = Math.max(
      stream.truncateBefore ?? 0,
      stream.maxCount === undefined ? 0 : stream.events.length - stream.maxCount,
    );
    return stream.events.filter((event) => event.revision >= first);
  }
}
