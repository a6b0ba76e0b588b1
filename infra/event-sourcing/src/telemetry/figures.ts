// What a process counts and can be asked for. Plain numbers, so that counting costs an addition; who wants them in
// OpenTelemetry's form loads that when it is asked (see service-host).

interface Definition {
  readonly kind: 'counter' | 'gauge';
  readonly description: string;
}

/** Every figure of oO. The name is OpenTelemetry's; Prometheus has `_` for `.` and `_total` behind a counter. */
export const FIGURES = {
  'oo.consumer.lag.events': {
    kind: 'gauge',
    description: 'Events that a consumer has not handled yet; 1000 stands for that many or more',
  },
  'oo.consumer.lag.seconds': {
    kind: 'gauge',
    description: 'Age of the oldest event that a consumer has not handled yet',
  },
  'oo.consumer.position': { kind: 'gauge', description: 'Position of the store that a consumer has handled' },
  'oo.consumer.applied': { kind: 'counter', description: 'Events applied to a read model' },
  'oo.consumer.duplicates': { kind: 'counter', description: 'Events dropped since they were handled before' },
  'oo.consumer.refills': {
    kind: 'counter',
    description: 'Events that the broker had left out and the store gave',
  },
  'oo.consumer.refolds': { kind: 'counter', description: 'People whose rows were made anew' },
  'oo.consumer.parked': { kind: 'counter', description: 'Events parked since they could not be applied' },
  'oo.consumer.parked.people': { kind: 'gauge', description: 'People who wait behind a parked event' },
  'oo.consumer.paused': { kind: 'gauge', description: '1 while an operator has paused a read model' },
  'oo.consumer.store.reads': {
    kind: 'counter',
    description: 'Times that the store was read since the broker had a hole or nothing to say',
  },
  'oo.consumer.retries': { kind: 'counter', description: 'Messages of a queue that were tried again' },
  'oo.consumer.given.up': { kind: 'counter', description: 'Messages of a queue that were given up' },
  'oo.commands': { kind: 'counter', description: 'Commands handled, by what came of them' },
  'oo.command.conflicts': {
    kind: 'counter',
    description: 'Appends refused since others had written, after which the command was decided anew',
  },
  'oo.command.retries': { kind: 'counter', description: 'Attempts behind the first of a command' },
  'oo.command.snapshots': { kind: 'counter', description: 'Streams loaded from a snapshot on' },
  'oo.command.duplicates': { kind: 'counter', description: 'Commands that had been recorded before' },
  'oo.relay.published': { kind: 'counter', description: 'Events that the broker has acknowledged' },
  'oo.relay.restarts': { kind: 'counter', description: 'Times that the relay began again after a failure' },
  'oo.relay.left.out': { kind: 'counter', description: 'Events that are too large for the broker' },
} as const satisfies Record<string, Definition>;

export type FigureName = keyof typeof FIGURES;
type Names<Kind extends Definition['kind']> = {
  [Name in FigureName]: (typeof FIGURES)[Name]['kind'] extends Kind ? Name : never;
}[FigureName];

export type Labels = Readonly<Record<string, string>>;

/** A figure as it is now. */
export interface Reading {
  readonly name: FigureName;
  readonly labels: Labels;
  readonly value: number;
}

/** Gives readings when it is asked, or a promise of them. */
export type Source = () => readonly Reading[] | Promise<readonly Reading[]>;

/** The figures of a process. */
export class Figures {
  readonly #counters = new Map<string, { name: FigureName; labels: Labels; value: number }>();
  readonly #sources = new Set<Source>();

  add(name: Names<'counter'>, labels: Labels, more = 1): void {
    // Once an event in the relay: no lists for what has one label or none.
    let key: string = name;
    for (const label in labels) key += ` ${label} ${labels[label]}`;
    const counter = this.#counters.get(key);
    if (counter === undefined) this.#counters.set(key, { name, labels, value: more });
    else counter.value += more;
  }

  /** Asks `source` whenever the figures are read. @returns ends that */
  from(source: Source): () => void {
    this.#sources.add(source);
    return () => this.#sources.delete(source);
  }

  /** All figures now. A source that fails leaves its figures out and no others. */
  async read(failed: (error: unknown) => void = () => undefined): Promise<Reading[]> {
    const given = await Promise.all(
      [...this.#sources].map(async (source) => {
        try {
          return await source();
        } catch (error) {
          failed(error);
          return [];
        }
      }),
    );
    return [...this.#counters.values(), ...given.flat()];
  }
}

/** Those of this process. */
export const figures = new Figures();

/** The lag of a consumer, as readings. */
export function lagReadings(consumer: string, lag: { events: number; seconds: number }): Reading[] {
  return [
    { name: 'oo.consumer.lag.events', labels: { consumer }, value: lag.events },
    { name: 'oo.consumer.lag.seconds', labels: { consumer }, value: lag.seconds },
  ];
}
