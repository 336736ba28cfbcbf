import { createHash, hash, randomUUID } from 'node:crypto';
import { type Digest, type DigestAlgorithm, digestAlgorithm } from '../../oci/digest.ts';
import { ManifestInvalidError } from '../../oci/errors.ts';
import { ContentDamagedError, DigestMismatchError, UploadBusyError, UploadUnknownError } from '../errors.ts';
import { abortable } from './abortable.ts';
import type { BlobDriver, ByteRange, DriverUpload, StoredBlob, StoredFile } from './blob-driver.ts';
import {
  type BlobConnection,
  hasBatchDeletes,
  hasBlobConnections,
  hasBoundedSpace,
  hasLocalFiles,
  hasOneListing,
  hasSignedDownloads,
  type LocalFile,
  type LocalFiles,
  losesUnsynced,
  type StoredEntry,
  takesSmallContent,
} from './driver-capabilities.ts';
import { type ContentHash, type Hasher, INLINE_HASHER, type SocketReceiver } from './hashing/content-hash.ts';
import { RunningHashes } from './hashing/running-hashes.ts';
import { SegmentedSource } from './segmented-source.ts';
import { isSocketContent, receiveUpload, type TakenContent } from './socket-content.ts';

/** Maximum bytes that an upload may be ahead of its last checkpoint. */
export const SEGMENT_SIZE = 64 * 1024 * 1024;
const HASHES_KEPT = 4096;
/** Minimum remaining bytes for receiving directly from the socket. */
const SMALLEST_TAKEN = 1024 * 1024;

/** Receives content from its socket on another thread. */
interface SocketReceive {
  readonly content: TakenContent;
  readonly receive: SocketReceiver;
  readonly files: LocalFiles;
}

export interface AppendOptions {
  readonly signal?: AbortSignal;
  /** Called with each state of the upload that should be recorded; the append waits for it. */
  readonly checkpoint?: (upload: DriverUpload) => Promise<void>;
  /** Algorithm of the expected digest, sha256 by default; for another one the content must be read again. */
  readonly algorithm?: DigestAlgorithm;
}

/** Content by digest: nothing becomes visible under a digest that it does not have. */
export class BlobStore {
  readonly #driver: BlobDriver;
  readonly #hashes: RunningHashes;
  readonly #segmentSize: number;
  readonly #busy = new Set<string>();

  /**
   * `hasher` hashes uploads; on this thread by default. `segmentSize` is the maximum number of bytes between
   * checkpoints.
   */
  constructor(driver: BlobDriver, hasher: Hasher = INLINE_HASHER, segmentSize: number = SEGMENT_SIZE) {
    this.#driver = driver;
    this.#segmentSize = segmentSize;
    this.#hashes = new RunningHashes(hasher, HASHES_KEPT);
  }

  /** Begins an empty upload with a random UUID. */
  begin(): Promise<DriverUpload> {
    return this.#driver.beginUpload(randomUUID());
  }

  /**
   * Appends `content` and returns the new state. `checkpoint` gets the state after each segment and at the end. When
   * `content` fails or `signal` aborts, the bytes received so far are stored and checkpointed, and the failure is
   * rethrown. When the device fails, the last checkpointed state stays valid. `content` is read by its iterator, whose
   * `return` is called when it is not read to the end. Throws UploadBusyError, UploadUnknownError, StorageFullError.
   */
  append(
    upload: DriverUpload,
    content: AsyncIterable<Uint8Array>,
    options: AppendOptions = {},
  ): Promise<DriverUpload> {
    return this.#exclusively(upload, async () => {
      options.signal?.throwIfAborted();
      const hash = this.#hashes.take(upload, options.algorithm ?? 'sha256');
      const receive = hash && this.#takeOver(content, hash);
      const seen = receive === undefined ? content : each(receive.content.begun);
      const source = new SegmentedSource(abortable(seen, options.signal), this.#segmentSize, (chunk) =>
        hash?.update(chunk),
      );
      const checkpoint = async (reached: DriverUpload) => options.checkpoint?.(reached);
      let state = upload;
      let failure: { readonly reason: unknown } | undefined;
      try {
        while (await source.hasMore()) {
          // Without the signal: a client that disconnects ends the source, and the driver keeps the received bytes.
          state = await this.#driver.appendUpload(state, source.segment());
          await checkpoint(state);
        }
        if (receive !== undefined) {
          const signal = options.signal ?? new AbortController().signal;
          const rest = { ...receive, segmentSize: this.#segmentSize, signal, checkpoint };
          ({ upload: state, failure } = await receiveUpload(state, receive.content, rest));
        }
      } catch (error) {
        // By now the upload may belong to another request, which can bring it to this size with other bytes.
        hash?.drop();
        throw error;
      } finally {
        await source.close();
        receive?.content.release();
      }
      if (hash !== undefined) this.#hashes.keep(state, hash);
      source.throwFailure();
      if (failure !== undefined) throw failure.reason;
      return state;
    });
  }

  /**
   * Makes the upload the content of `digest`, durably. Throws DigestMismatchError, which leaves the upload as
   * it is; UploadBusyError, UploadUnknownError, StorageFullError. Committing again after a crash is harmless.
   */
  commit(upload: DriverUpload, digest: Digest): Promise<StoredBlob> {
    return this.#exclusively(upload, async () => {
      refuseOther(await this.#digestOf(upload, digest), digest);
      const blob = await this.#driver.commitUpload(upload, digest);
      this.#hashes.forget(upload);
      return blob;
    });
  }

  /** Maximum bytes that `commitSmall` accepts; negative when it accepts none. */
  get smallLimit(): number {
    return takesSmallContent(this.#driver) ? this.#driver.smallLimit : -1;
  }

  /**
   * Appends to an empty upload and commits it, in one step. Throws DigestMismatchError, UploadBusyError,
   * StorageFullError, each of which leaves the upload unchanged.
   */
  commitSmall(upload: DriverUpload, content: Uint8Array, digest: Digest): Promise<StoredBlob> {
    return this.#exclusively(upload, async () => {
      const driver = this.#driver;
      if (upload.size > 0 || !takesSmallContent(driver))
        throw new Error('the upload cannot be stored in one step');
      refuseOther(digestOf(content, digestAlgorithm(digest)), digest);
      const blob = await driver.storeSmall(upload.id, digest, content);
      this.#hashes.forget(upload);
      return blob;
    });
  }

  /** Returns the upload with only the bytes that certainly exist: a power cut may have taken some. */
  settled(upload: DriverUpload): DriverUpload {
    return losesUnsynced(this.#driver) ? this.#driver.settled(upload) : upload;
  }

  /** Throws StorageFullError when this many more bytes do not fit, as far as the driver knows. */
  async refuseIfTooLarge(bytes: number): Promise<void> {
    if (hasBoundedSpace(this.#driver)) await this.#driver.refuseIfTooLarge(bytes);
  }

  /** Frees bytes that a failed append has written beyond the size of the upload. Throws UploadBusyError. */
  takeBack(upload: DriverUpload): Promise<void> {
    return this.#exclusively(upload, async () => {
      this.#hashes.forget(upload);
      if (hasBoundedSpace(this.#driver)) await this.#driver.takeBack(upload);
    });
  }

  /** Drops an upload; no error when it does not exist. Throws UploadBusyError. */
  abort(upload: DriverUpload): Promise<void> {
    return this.#exclusively(upload, async () => {
      this.#hashes.forget(upload);
      await this.#driver.abortUpload(upload);
    });
  }

  /**
   * Stores content whose digest is known, or nothing. Throws DigestMismatchError, StorageFullError, and errors of
   * `content`.
   */
  async put(
    content: AsyncIterable<Uint8Array> | Uint8Array,
    digest: Digest,
    signal?: AbortSignal,
  ): Promise<StoredBlob> {
    signal?.throwIfAborted();
    const upload = await this.begin();
    if (content instanceof Uint8Array && content.byteLength <= this.smallLimit) {
      return this.commitSmall(upload, content, digest);
    }
    let state = upload;
    try {
      state = await this.append(upload, content instanceof Uint8Array ? each([content]) : content, {
        algorithm: digestAlgorithm(digest),
        ...(signal && { signal }),
        checkpoint: async (reached) => {
          state = reached;
        },
      });
      return await this.commit(state, digest);
    } catch (error) {
      // The caller must get the first error; garbage collection drops abandoned uploads.
      await this.abort(state).catch(() => {});
      throw error;
    }
  }

  /** Returns a copy of the blob, or undefined. */
  async find(digest: Digest): Promise<StoredBlob | undefined> {
    const [file] = await this.#driver.findBlobs(digest);
    return file && { digest, size: file.size, location: file.location };
  }

  /** Returns every copy of the blob, in no order. */
  copies(digest: Digest): Promise<readonly StoredFile[]> {
    return this.#driver.findBlobs(digest);
  }

  /** Reports whether the whole blob is at its location. */
  async holds(blob: StoredBlob): Promise<boolean> {
    return (await this.#driver.storedSize(blob)) === blob.size;
  }

  /** Reads the blob or the bytes in `range`, which is within the blob. Throws BlobUnknownError. */
  read(blob: StoredBlob, range?: ByteRange, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return this.#driver.readBlob(blob, range, signal);
  }

  /**
   * Opens the blob's file, if the driver stores blobs as files; otherwise returns undefined, and only read() works.
   * Throws BlobUnknownError.
   */
  async openFile(blob: StoredBlob): Promise<LocalFile | undefined> {
    return hasLocalFiles(this.#driver) ? this.#driver.openFile(blob) : undefined;
  }

  /**
   * Requests the bytes in `range`, which is within the blob, over a dedicated connection; undefined when the driver has
   * none or the bytes do not arrive at once: then use read(). Throws the signal's reason.
   */
  async connect(
    blob: StoredBlob,
    range: ByteRange,
    signal?: AbortSignal,
  ): Promise<BlobConnection | undefined> {
    return hasBlobConnections(this.#driver) ? this.#driver.connectBlob(blob, range, signal) : undefined;
  }

  /**
   * Reads a whole blob, such as a manifest or a configuration, and verifies it. Throws ManifestInvalidError when it has
   * more than `limit` bytes, BlobUnknownError, ContentDamagedError.
   */
  async readAll(blob: StoredBlob, limit: number): Promise<Buffer> {
    if (blob.size > limit) {
      throw new ManifestInvalidError(
        `${blob.digest} has ${blob.size} bytes: a manifest or configuration of at most ${limit} was expected`,
      );
    }
    if (blob.size === 0) return Buffer.alloc(0);
    const chunks: Uint8Array[] = [];
    for await (const chunk of await this.#driver.readBlob(blob)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    if (digestOf(bytes, digestAlgorithm(blob.digest)) !== blob.digest) {
      throw new ContentDamagedError(
        `the stored content of ${blob.digest} is damaged: "berth fsck" shows which images need it`,
      );
    }
    return bytes;
  }

  /** Deletes a blob, though a power cut may bring it back; returns whether it existed. */
  delete(blob: StoredBlob): Promise<boolean> {
    return this.#driver.deleteBlob(blob);
  }

  /** Deletes many blobs, in few requests if the driver supports it; a power cut may bring some back. */
  async deleteAll(blobs: readonly StoredBlob[]): Promise<void> {
    if (hasBatchDeletes(this.#driver)) await this.#driver.deleteBlobs(blobs);
    else await Promise.all(blobs.map((blob) => this.#driver.deleteBlob(blob)));
  }

  /** Returns a URL from which clients can download the blob for some minutes; undefined if the driver has none. */
  async downloadUrl(blob: StoredBlob): Promise<string | undefined> {
    return hasSignedDownloads(this.#driver) ? this.#driver.signDownload(blob) : undefined;
  }

  /** Moves a damaged blob to quarantine, for people to examine. */
  setAside(blob: StoredBlob): Promise<void> {
    return this.#driver.setAside(blob);
  }

  /** Yields every copy of every blob, in no order. */
  list(signal?: AbortSignal): AsyncIterable<StoredFile> {
    return this.#driver.listBlobs(signal);
  }

  /** Yields every stored copy of every blob and every upload with bytes, also those unknown to the catalog. */
  async *listStored(signal?: AbortSignal): AsyncGenerator<StoredEntry, void, undefined> {
    const driver = this.#driver;
    if (hasOneListing(driver)) {
      yield* driver.listStored(signal);
      return;
    }
    for await (const upload of driver.listUploads(signal)) yield { kind: 'upload', ...upload };
    for await (const file of driver.listBlobs(signal)) yield { kind: 'blob', file };
  }

  async #digestOf(upload: DriverUpload, expected: Digest): Promise<Digest> {
    const algorithm = digestAlgorithm(expected);
    const running = this.#hashes.take(upload, algorithm);
    if (running?.algorithm === algorithm) return `${algorithm}:${await running.digest()}`;
    running?.drop();
    const hash = createHash(algorithm);
    try {
      for await (const chunk of this.#driver.readUpload(upload)) hash.update(chunk);
    } catch (error) {
      // A crash after the decisive step of a commit leaves the blob and no upload.
      if (!(error instanceof UploadUnknownError)) throw error;
      const copies = await this.#driver.findBlobs(expected);
      if (!copies.some(({ uploadId, size }) => uploadId === upload.id && size === upload.size)) throw error;
      return expected;
    }
    return `${algorithm}:${hash.digest('hex')}`;
  }

  #takeOver(content: AsyncIterable<Uint8Array>, hash: ContentHash): SocketReceive | undefined {
    const files = this.#driver;
    if (!hasLocalFiles(files) || !isSocketContent(content) || content.takeable < SMALLEST_TAKEN)
      return undefined;
    const receive = hash.receiver();
    return receive && { content: content.takeOver(), receive, files };
  }

  async #exclusively<T>(upload: DriverUpload, work: () => Promise<T>): Promise<T> {
    if (this.#busy.has(upload.id)) {
      throw new UploadBusyError('another request is writing to this upload: wait until it has ended');
    }
    this.#busy.add(upload.id);
    try {
      return await work();
    } finally {
      this.#busy.delete(upload.id);
    }
  }
}

function digestOf(content: Uint8Array, algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${hash(algorithm, content, 'hex')}`;
}

function refuseOther(actual: Digest, expected: Digest): void {
  if (actual === expected) return;
  throw new DigestMismatchError(
    `the content has the digest ${actual}, not ${expected}: it was damaged on its way, or the digest is wrong`,
  );
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks;
}
