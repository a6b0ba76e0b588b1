const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Figures in Prometheus' text format. */
export class PrometheusFigures {
  readonly #samples: readonly Sample[];

  constructor(text: string) {
    this.#samples = text.split('\n').flatMap((line): Sample[] => {
      const [, name, labels = '', value] = LINE.exec(line) ?? [];
      if (name === undefined || value === undefined) return [];
      const pairs = [...labels.matchAll(LABEL)].map(([, label = '', text = '']) => [label, text] as const);
      return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
    });
  }

  /** The first figure of that name with these labels among its own. */
  value(name: string, labels: Readonly<Record<string, string>>): number | undefined {
    return this.#samples.find(
      (one) =>
        one.name === name && Object.entries(labels).every(([label, text]) => one.labels[label] === text),
    )?.value;
  }

  /** All figures of that name together. */
  sum(name: string): number {
    return this.#samples.filter((one) => one.name === name).reduce((total, { value }) => total + value, 0);
  }
}

export const NO_FIGURES = new PrometheusFigures('');
