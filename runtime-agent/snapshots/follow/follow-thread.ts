import { RequestThread } from '../../../lib/threads/request-thread.ts';
import type { DigestAlgorithm } from '../../../oci/digest.ts';
import type { TarFindings } from '../tar-findings.ts';
import type { FollowOrder, FollowReport } from './follow-messages.ts';

type Report = Exclude<FollowReport, { readonly failure: string }>;

/** An extended header of 1 MiB may hold a hundred thousand records, and several tars are read at a time. */
const MAX_HEAP_MEGABYTES = 256;

/** Milliseconds without a tar after which the thread's memory is released. */
const IDLE_TIME = 10_000;

/**
 * Hashes and reads tars in a separate thread while they are written. It runs while there are tars, and a little longer.
 */
export class FollowThread {
  readonly #thread = new RequestThread<FollowOrder, FollowReport>(
    new URL('./follow-worker.ts', import.meta.url),
    {
      purpose: 'that reads the tars of layers',
      handsOverDescriptors: true,
      maxHeapMegabytes: MAX_HEAP_MEGABYTES,
    },
  );

  readonly #idleTime: number;
  #followed = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(idleTime = IDLE_TIME) {
    this.#idleTime = idleTime;
  }

  /**
   * Follows a file that is written from its start. `onProgress` receives the number of bytes read so far. The caller
   * closes the result before the descriptor `fd`.
   */
  follow(fd: number, algorithm: DigestAlgorithm, onProgress: (position: number) => void): FollowedTar {
    clearTimeout(this.#timer);
    this.#followed += 1;
    return new FollowedTar(this.#thread, { fd, algorithm, onProgress, onClose: () => this.#closed() });
  }

  #closed(): void {
    this.#followed -= 1;
    if (this.#followed > 0) return;
    this.#timer = setTimeout(() => this.#thread.rest(), this.#idleTime);
    this.#timer.unref();
  }
}

interface FollowOptions {
  readonly fd: number;
  readonly algorithm: DigestAlgorithm;
  readonly onProgress: (position: number) => void;
  readonly onClose: () => void;
}

/** A tar that is read while it grows. */
export class FollowedTar {
  readonly #thread: RequestThread<FollowOrder, FollowReport>;
  readonly #options: FollowOptions;
  readonly #tar: number;
  #hasMore = false;
  #reading: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(thread: RequestThread<FollowOrder, FollowReport>, options: FollowOptions) {
    this.#thread = thread;
    this.#options = options;
    this.#tar = thread.newId();
  }

  /** Announces that the file may have more bytes than before; costs next to nothing. */
  grown(): void {
    this.#hasMore = true;
    if (this.#failure !== undefined) return;
    this.#reading ??= this.#readAll().then(
      () => {
        this.#reading = undefined;
      },
      (error: unknown) => {
        this.#failure = { error };
      },
    );
  }

  /** Returns the findings about the complete file. Throws errors of reading it. */
  async findings(): Promise<TarFindings> {
    await this.#reading;
    if (this.#failure !== undefined) throw this.#failure.error;
    for (;;) {
      const report = await this.#ask('finish');
      if ('findings' in report) return report.findings;
    }
  }

  /** Resolves when the descriptor is no longer used. Must be called once. */
  async close(): Promise<void> {
    this.#hasMore = false;
    await this.#reading;
    this.#thread.tell({ id: this.#thread.newId(), kind: 'forget', tar: this.#tar });
    this.#options.onClose();
  }

  async #readAll(): Promise<void> {
    while (this.#hasMore) {
      this.#hasMore = false;
      const report = await this.#ask('read');
      if (!('position' in report)) return;
      this.#options.onProgress(report.position);
      if (report.hasMore) this.#hasMore = true;
    }
  }

  async #ask(kind: 'read' | 'finish'): Promise<Report> {
    const { fd, algorithm } = this.#options;
    const id = this.#thread.newId();
    const report = await this.#thread.ask({ id, kind, tar: this.#tar, fd, algorithm });
    if (!('failure' in report)) return report;
    throw Object.assign(new Error(report.failure), report.code !== undefined && { code: report.code });
  }
}
