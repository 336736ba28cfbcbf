import { isMainThread, workerData } from 'node:worker_threads';
import { getAndDiscard } from './get-and-discard.ts';

/** What the thread of this file does: `count` clients at once ask for `url`, of `size` bytes, and end. */
export interface BlobReaders {
  readonly url: string;
  readonly size: number;
  readonly count: number;
}

if (!isMainThread) {
  const { url, size, count } = workerData as BlobReaders;
  await Promise.all(Array.from({ length: count }, () => getAndDiscard(url, size)));
}
