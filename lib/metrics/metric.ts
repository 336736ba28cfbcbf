/** A metric in the Prometheus text format 0.0.4. */
export interface Metric {
  /** HELP and TYPE lines and a line for each series, each ended by a line feed. */
  expose(): string;
}

export type Labels = Readonly<Record<string, string>>;

export interface Naming {
  readonly name: string;
  readonly help: string;
}

/** Numbers that never decrease, one for each combination of labels. The caller limits the number of combinations. */
export class Counter implements Metric {
  readonly #naming: Naming;
  readonly #series = new Map<string, { value: number }>();

  constructor(naming: Naming) {
    this.#naming = naming;
  }

  /** Returns the number of one combination. Frequent callers keep and increment it. */
  with(labels: Labels = {}): { value: number } {
    const key = labelText(labels);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { value: 0 };
      this.#series.set(key, series);
    }
    return series;
  }

  expose(): string {
    const { name } = this.#naming;
    const lines = [...this.#series].map(([labels, { value }]) => `${name}${labels} ${value}\n`);
    return headOf(this.#naming, 'counter') + lines.join('');
  }
}

/** A number that is read at each scrape. */
export class Gauge implements Metric {
  readonly #naming: Naming;
  readonly #read: () => number;
  readonly #type: 'gauge' | 'counter';

  /** `type` is `counter` for a number that never decreases. */
  constructor(naming: Naming, read: () => number, type: 'gauge' | 'counter' = 'gauge') {
    this.#naming = naming;
    this.#read = read;
    this.#type = type;
  }

  expose(): string {
    return `${headOf(this.#naming, this.#type)}${this.#naming.name} ${this.#read()}\n`;
  }
}

/** One combination's values of a histogram. */
export interface Observations {
  observe(value: number): void;
}

/** The distribution of values over `bounds`, which are ascending. */
export class Histogram implements Metric {
  readonly #naming: Naming;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { labels: Labels; counts: number[]; sum: number }>();

  constructor(naming: Naming, bounds: readonly number[]) {
    this.#naming = naming;
    this.#bounds = bounds;
  }

  with(labels: Labels = {}): Observations {
    const key = labelText(labels);
    const series = this.#series.get(key) ?? { labels, counts: [...this.#bounds, 0].map(() => 0), sum: 0 };
    this.#series.set(key, series);
    return {
      observe: (value) => {
        const index = this.#bounds.findIndex((bound) => value <= bound);
        const bucket = index === -1 ? this.#bounds.length : index;
        series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
        series.sum += value;
      },
    };
  }

  expose(): string {
    const { name } = this.#naming;
    let text = headOf(this.#naming, 'histogram');
    for (const [key, { labels, counts, sum }] of this.#series) {
      let total = 0;
      for (const [index, count] of counts.entries()) {
        total += count;
        const le = String(this.#bounds[index] ?? '+Inf');
        text += `${name}_bucket${labelText({ ...labels, le })} ${total}\n`;
      }
      text += `${name}_sum${key} ${sum}\n${name}_count${key} ${total}\n`;
    }
    return text;
  }
}

/** A metric whose numbers are read for each scrape. */
export interface SampledNaming extends Naming {
  /** `gauge` by default; `counter` for numbers that never decrease. */
  readonly type?: 'gauge' | 'counter';
}

/** A number of one combination of labels. */
export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

/** Numbers that are replaced as a whole at each read. */
export class Samples implements Metric {
  readonly #naming: Naming;
  readonly #type: 'gauge' | 'counter';
  #samples: readonly Sample[] = [];

  /** `type` is `counter` for numbers that never decrease. */
  constructor(naming: Naming, type: 'gauge' | 'counter') {
    this.#naming = naming;
    this.#type = type;
  }

  replace(samples: readonly Sample[]): void {
    this.#samples = samples;
  }

  expose(): string {
    const { name } = this.#naming;
    const lines = this.#samples.map(({ labels = {}, value }) => `${name}${labelText(labels)} ${value}\n`);
    return headOf(this.#naming, this.#type) + lines.join('');
  }
}

function headOf({ name, help }: Naming, type: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function labelText(labels: Labels): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return '';
  return `{${entries.map(([name, value]) => `${name}="${escaped(value)}"`).join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
