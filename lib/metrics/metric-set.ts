import { setTimeout as sleep } from 'node:timers/promises';
import {
  Counter,
  Gauge,
  Histogram,
  type Metric,
  type Naming,
  type Sample,
  type SampledNaming,
  Samples,
} from './metric.ts';

/** The media type of `expose`. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Maximum milliseconds that a scrape waits for its reads. */
const LONGEST_READ = 5_000;

/** The metrics of one server; each part of the program adds its own. */
export class MetricSet {
  readonly #metrics: Metric[] = [];
  readonly #reads: (() => Promise<void>)[] = [];
  #reading: Promise<void> | undefined;

  counter(naming: Naming): Counter {
    return this.#add(new Counter(naming));
  }

  histogram(naming: Naming, bounds: readonly number[]): Histogram {
    return this.#add(new Histogram(naming, bounds));
  }

  /** `read` is called at each scrape; `type` is `counter` for a number that never decreases. */
  gauge(naming: Naming, read: () => number, type: 'gauge' | 'counter' = 'gauge'): void {
    this.#add(new Gauge(naming, read, type));
  }

  /**
   * Adds metrics whose numbers are read together for each scrape, such as those of a database. Numbers that cannot be
   * read within five seconds are left out: their absence can raise an alert, which an old number would not.
   */
  sampled<Key extends string>(
    namings: Readonly<Record<Key, SampledNaming>>,
    read: () => Promise<Readonly<Record<Key, readonly Sample[]>>>,
  ): void {
    const keys = Object.keys(namings) as Key[];
    const metrics = keys.map((key) => {
      const { type = 'gauge', ...naming } = namings[key];
      return { key, metric: this.#add(new Samples(naming, type)) };
    });
    this.#reads.push(async () => {
      for (const { metric } of metrics) metric.replace([]);
      const found = await read();
      for (const { key, metric } of metrics) metric.replace(found[key]);
    });
  }

  /** Reads the sampled numbers and renders all metrics. Concurrent scrapes share one reading. */
  async collect(): Promise<string> {
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
    return this.expose();
  }

  async #readAll(): Promise<void> {
    const ended = new AbortController();
    const late = sleep(LONGEST_READ, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);
    await Promise.race([late, Promise.allSettled(this.#reads.map((read) => read()))]);
    ended.abort();
  }

  /** Renders Prometheus' text format 0.0.4, with the latest numbers. */
  expose(): string {
    return this.#metrics.map((metric) => metric.expose()).join('');
  }

  #add<M extends Metric>(metric: M): M {
    this.#metrics.push(metric);
    return metric;
  }
}
