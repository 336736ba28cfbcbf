import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';
import type { DriverUpload, StoredBlob, UploadLocks } from '../../storage/blobs/blob-driver.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Catalog, UploadRecord } from '../../storage/catalog/catalog.ts';
import type { Actor } from '../../storage/catalog/tag-rule-catalog.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import {
  DigestMismatchError,
  QuotaExceededError,
  RangeInvalidError,
  StorageFullError,
  UploadBusyError,
  UploadUnknownError,
} from '../../storage/errors.ts';
import { UploadClaims, UploadProgress } from './upload-progress.ts';

const BUSY = 'another request is writing to this upload';

/** A piece of an upload. */
export interface UploadChunk {
  /** Fails with RangeInvalidError when the chunk differs from its announcement. */
  readonly content: AsyncIterable<Uint8Array>;
  /** Called with the upload's state before the first byte is read; throws to refuse the chunk. */
  readonly check: (upload: DriverUpload) => void;
  /** Algorithm of the final digest, if known. */
  readonly algorithm?: DigestAlgorithm;
  /** Guaranteed bytes of `content`, and a function to read them at once instead; if known. */
  readonly length?: number;
  readonly whole?: (signal: AbortSignal) => Promise<Uint8Array>;
}

/** How an upload ends. */
export interface UploadEnd {
  readonly digest: Digest;
  /** The last chunk, if there is another. */
  readonly chunk?: UploadChunk | undefined;
  readonly by?: Actor;
}

/** Dependencies of adding a chunk. */
interface AppendRun {
  readonly repository: string;
  readonly chunk: UploadChunk;
  readonly signal: AbortSignal;
  readonly progress: UploadProgress;
}

interface ActiveUpload {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

/**
 * Uploads over several requests. Their state is a row of the catalog, so that a restarted server, or another one on the
 * same catalog, accepts the next chunk. One request at a time writes to an upload.
 */
export class UploadSessions {
  readonly #catalog: Catalog;
  readonly #blobs: BlobStore;
  readonly #content: ContentStore;
  readonly #locks: UploadLocks | undefined;
  readonly #active = new Map<string, ActiveUpload>();

  /** `locks` exclude other processes from an upload in progress. */
  constructor(catalog: Catalog, blobs: BlobStore, content: ContentStore, locks?: UploadLocks) {
    this.#locks = locks;
    this.#catalog = catalog;
    this.#blobs = blobs;
    this.#content = content;
  }

  /** Number of uploads that a request is writing to. */
  get active(): number {
    return this.#active.size;
  }

  /** `account` is the uploading account. Throws TooManyUploadsError. */
  async begin(repository: string, account?: string): Promise<DriverUpload> {
    const upload = await this.#blobs.begin();
    await this.#catalog.uploads.create(repository, upload, account);
    return upload;
  }

  /** Throws UploadUnknownError. */
  async find(repository: string, id: string): Promise<UploadRecord> {
    const record = await this.#catalog.uploads.find(repository, id);
    if (record === undefined) {
      throw new UploadUnknownError(
        'there is no such upload: it was finished, cancelled or idle for too long',
      );
    }
    return this.#settled(record);
  }

  /** Returns an upload's state; bytes that were lost in a power cut must be sent again. */
  async #settled(record: UploadRecord): Promise<UploadRecord> {
    const upload = this.#blobs.settled(record.upload);
    if (upload.size === record.upload.size) return record;
    await this.#catalog.uploads.update(upload, record.upload.size);
    return { ...record, upload };
  }

  /**
   * Adds a chunk and returns the new state. When the client disconnects the upload keeps the bytes received. Throws
   * UploadUnknownError, UploadBusyError, StorageFullError, and errors of `check`.
   */
  append(repository: string, id: string, chunk: UploadChunk, signal: AbortSignal): Promise<DriverUpload> {
    return this.#exclusively(id, signal, async (combined) => {
      const { upload } = await this.find(repository, id);
      const progress = new UploadProgress(this.#catalog.uploads, upload);
      const run = { repository, chunk, signal: combined, progress };
      return this.#append(upload, run, (state) => progress.record(state));
    });
  }

  /**
   * Adds the last chunk, verifies the whole content and makes it a blob of the repository: the content is durable
   * first, then the catalog. For a completed upload it returns the repository's blob with the digest: the client has
   * not received the first answer. Throws DigestMismatchError, after which the upload can still be queried and
   * cancelled, QuotaExceededError, after which it is removed, and all errors of `append`.
   */
  complete(
    repository: string,
    id: string,
    { digest, chunk, by }: UploadEnd,
    signal: AbortSignal,
  ): Promise<StoredBlob> {
    const ending = (upload: DriverUpload, content?: Uint8Array) =>
      this.#content.commitUpload(repository, upload, digest, content, by);
    return this.#exclusively(id, signal, async (combined) => {
      const record = await this.#catalog.uploads.find(repository, id);
      const ended = record === undefined && (await this.#catalog.blobs.findToRefer(repository, digest));
      if (ended) return ended;
      const { upload } = record === undefined ? await this.find(repository, id) : await this.#settled(record);
      if (chunk === undefined) return ending(upload);
      if (upload.size > 0 || chunk.whole === undefined || (chunk.length ?? 0) > this.#blobs.smallLimit) {
        return this.#completeBy(upload, { repository, chunk, signal: combined }, ending);
      }
      const content = await chunk.whole(combined);
      try {
        return await ending(upload, content);
      } catch (error) {
        if (!(error instanceof DigestMismatchError)) throw error;
        // The same again, but so that the upload has the chunk.
        const again = { ...chunk, content: single(content) };
        return this.#completeBy(upload, { repository, chunk: again, signal: combined }, ending);
      }
    });
  }

  /** Stores a blob from one request; a failed one leaves nothing. Throws as `begin` and `complete` do. */
  async store(repository: string, end: UploadEnd, signal: AbortSignal): Promise<StoredBlob> {
    const upload = await this.begin(repository, end.by?.name);
    try {
      return await this.complete(repository, upload.id, end, signal);
    } catch (error) {
      await this.cancel(repository, upload.id).catch(() => undefined);
      throw error;
    }
  }

  async #completeBy(
    upload: DriverUpload,
    run: Omit<AppendRun, 'progress'>,
    ending: (whole: DriverUpload) => Promise<StoredBlob>,
  ): Promise<StoredBlob> {
    const progress = new UploadProgress(this.#catalog.uploads, upload);
    const whole = await this.#append(upload, { ...run, progress }, (state) => progress.postpone(state));
    try {
      return await ending(whole);
    } catch (error) {
      const gone = error instanceof UploadUnknownError || error instanceof QuotaExceededError;
      if (!gone) await progress.catchUp();
      throw error;
    }
  }

  /** Cancels an upload; a request that is writing to it is cut off. Throws UploadUnknownError. */
  async cancel(repository: string, id: string): Promise<void> {
    await this.find(repository, id);
    const active = this.#active.get(id);
    active?.controller.abort(new UploadUnknownError('the upload was cancelled'));
    await active?.ended;
    const { upload } = await this.find(repository, id);
    await this.#catalog.uploads.delete(id);
    await this.#blobs.abort(upload);
  }

  async #append(
    upload: DriverUpload,
    run: AppendRun,
    checkpoint: (state: DriverUpload) => Promise<void>,
  ): Promise<DriverUpload> {
    const { repository, chunk, signal, progress } = run;
    chunk.check(upload);
    if (chunk.length !== undefined) await this.#blobs.refuseIfTooLarge(chunk.length);
    const claims = new UploadClaims(this.#catalog.quotas, repository, upload);
    try {
      const content = await claims.begin(chunk);
      const state = await this.#blobs.append(upload, content, {
        signal,
        checkpoint,
        ...(chunk.algorithm && { algorithm: chunk.algorithm }),
      });
      await claims.end(state.size);
      return state;
    } catch (error) {
      await claims.end(0).catch(() => undefined);
      // A refused chunk does not count; for a disconnected client the received bytes count.
      if (isRefusal(error)) {
        try {
          await progress.undo();
        } finally {
          await this.#blobs.takeBack(upload);
        }
      } else if (!(error instanceof UploadUnknownError)) await progress.catchUp();
      throw error;
    }
  }

  async #exclusively<Result>(
    id: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    // Read under this lock: an append to an old state would truncate newer bytes.
    if (this.#active.has(id)) throw new UploadBusyError(BUSY);
    const controller = new AbortController();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#active.set(id, { controller, ended });
    let unlock: (() => Promise<void>) | undefined;
    try {
      unlock = await this.#locks?.take(id);
      if (this.#locks !== undefined && unlock === undefined) throw new UploadBusyError(BUSY);
      return await work(AbortSignal.any([signal, controller.signal]));
    } finally {
      // Before the answer: the next request may reach another process.
      await unlock?.();
      this.#active.delete(id);
      end();
    }
  }
}

/** Reports whether the registry stopped reading a chunk before its sender was done. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof RangeInvalidError ||
    error instanceof StorageFullError ||
    error instanceof QuotaExceededError
  );
}

async function* single(content: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield content;
}
