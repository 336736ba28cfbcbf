import type { AppReport } from '../../fleet/report.ts';
import type { Peer, ReportMessage } from './connection.ts';

/** Milliseconds between two messages on average. */
const INTERVAL = 250;
/** Maximum messages in a burst: a rollout waits for reports about its steps. */
const BURST = 8;
/** Maximum reports in a message: messages have a size limit. */
const MOST = 200;

/** Sends changed reports, at most a few times a second on average; only the last state of each app counts. */
export class ReportQueue {
  readonly #reports = new Map<string, { readonly report: AppReport; readonly text: string }>();
  readonly #changed = new Set<string>();
  readonly #gone = new Set<string>();
  #peer: Peer | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the next message would be sent if messages were sent evenly; `performance.now()`. */
  #even = Number.NEGATIVE_INFINITY;

  set(report: AppReport): void {
    const text = JSON.stringify(report);
    if (this.#reports.get(report.app)?.text === text) return;
    this.#reports.set(report.app, { report, text });
    this.#gone.delete(report.app);
    this.#changed.add(report.app);
    this.#schedule();
  }

  remove(app: string): void {
    this.#reports.delete(app);
    this.#changed.delete(app);
    this.#gone.add(app);
    this.#schedule();
  }

  get(app: string): AppReport | undefined {
    return this.#reports.get(app)?.report;
  }

  all(): ReportMessage {
    const reports = [...this.#reports.values()].map(({ report }) => report);
    return { type: 'report', reports, gone: [...this.#gone] };
  }

  /** Sends changes to `peer` from now on, which has all reports so far; undefined stops sending. */
  setPeer(peer: Peer | undefined): void {
    this.#peer = peer;
    if (peer === undefined) return;
    this.#changed.clear();
    this.#gone.clear();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#peer = undefined;
  }

  #schedule(): void {
    if (this.#peer === undefined || this.#timer !== undefined) return;
    const wait = Math.max(0, this.#even - (BURST - 1) * INTERVAL - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, wait);
  }

  #send(): void {
    if (this.#peer === undefined || this.#changed.size + this.#gone.size === 0) return;
    const names = [...this.#changed].slice(0, MOST);
    const reports = names.flatMap((app) => this.#reports.get(app)?.report ?? []);
    this.#peer.report({ type: 'report', reports, gone: [...this.#gone] });
    for (const app of names) this.#changed.delete(app);
    this.#gone.clear();
    this.#even = Math.max(this.#even, performance.now()) + INTERVAL;
    if (this.#changed.size > 0) this.#schedule();
  }
}
