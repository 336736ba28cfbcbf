import { RequestThread } from '../../../lib/threads/request-thread.ts';

/** Enough for the largest tree that LayerTree accepts. */
const MAX_HEAP_MEGABYTES = 1536;

/** Milliseconds without work after which the thread's memory is released. */
const IDLE_TIME = 10_000;

/**
 * Makes indexes of tars, one after the other, in a separate thread. No program that is not memory-safe reads a layer:
 * this thread writes the metadata that the kernel mounts.
 */
export class IndexThread {
  readonly #thread = new RequestThread<IndexOrder, IndexReport>(
    new URL('./index-worker.ts', import.meta.url),
    {
      purpose: 'that makes indexes of layers',
      handsOverDescriptors: true,
      maxHeapMegabytes: MAX_HEAP_MEGABYTES,
    },
  );
  #asked = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * Resolves to undefined when the index is in the file, which is not synced, or to the error of the tar. Throws errors
   * of reading and writing. The descriptors are not used after it settles.
   */
  async makeIndex(order: Omit<IndexOrder, 'id'>): Promise<string | undefined> {
    clearTimeout(this.#timer);
    this.#asked += 1;
    try {
      const report = await this.#thread.ask({ ...order, id: this.#thread.newId() });
      if (!('failure' in report)) return 'malformed' in report ? report.malformed : undefined;
      throw Object.assign(new Error(report.failure), report.code !== undefined && { code: report.code });
    } finally {
      this.#asked -= 1;
      if (this.#asked === 0) {
        this.#timer = setTimeout(() => this.#thread.rest(), IDLE_TIME);
        this.#timer.unref();
      }
    }
  }
}

/** Requests the index of a tar. Answered by one IndexReport with its id; until then the descriptors stay open. */
export interface IndexOrder {
  readonly id: number;
  /** A descriptor of the whole tar, open for reading. */
  readonly tar: number;
  /** A descriptor of an empty file, open for writing. */
  readonly image: number;
  /** 32 hexadecimal digits. */
  readonly uuid: string;
}

export type IndexReport =
  | { readonly id: number }
  /** Why the tar is not a valid tree. */
  | { readonly id: number; readonly malformed: string }
  | { readonly id: number; readonly failure: string; readonly code?: string };
