import { Counter, Gauge, Histogram, type Metric, type Naming } from './metric.ts';

/** The media type of `expose`. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The metrics of one server; each part of the program adds its own. */
export class MetricSet {
  readonly #metrics: Metric[] = [];

  counter(naming: Naming): Counter {
    return this.#add(new Counter(naming));
  }

  histogram(naming: Naming, bounds: readonly number[]): Histogram {
    return this.#add(new Histogram(naming, bounds));
  }

  /** `read` is called at each scrape; `type` is `counter` for a number that only grows. */
  gauge(naming: Naming, read: () => number, type: 'gauge' | 'counter' = 'gauge'): void {
    this.#add(new Gauge(naming, read, type));
  }

  /** Renders Prometheus' text format 0.0.4. */
  expose(): string {
    return this.#metrics.map((metric) => metric.expose()).join('');
  }

  #add<M extends Metric>(metric: M): M {
    this.#metrics.push(metric);
    return metric;
  }
}
