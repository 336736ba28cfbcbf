import type { SendfileReport, SendingFault } from './sendfile-messages.ts';

const PROGRESS_EVERY_MS = 1000;

/** What is told of one body on its way. */
export class SendingProgress {
  readonly #key: number;
  readonly #tell: (report: SendfileReport) => void;
  #toldAt = performance.now();

  constructor(key: number, tell: (report: SendfileReport) => void) {
    this.#key = key;
    this.#tell = tell;
  }

  /** Bytes have moved. */
  moved(): void {
    if (performance.now() - this.#toldAt < PROGRESS_EVERY_MS) return;
    this.#toldAt = performance.now();
    this.#tell({ kind: 'progress', key: this.#key });
  }

  /** Nothing is touched any more. To be called once. */
  ended(sent: number, fault?: SendingFault): void {
    this.#tell({ kind: 'ended', key: this.#key, sent, ...(fault && { fault }) });
  }
}
