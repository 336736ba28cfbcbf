import type { Digest } from '../../../oci/digest.ts';
import { BlobUnknownError, UploadUnknownError } from '../../errors.ts';
import type { BlobDriver, ByteRange, DriverUpload, StoredBlob, StoredFile } from '../blob-driver.ts';
import type {
  BatchDeletes,
  BlobConnection,
  BlobConnections,
  OneListing,
  SignedDownloads,
  SmallContent,
  StoredEntry,
} from '../driver-capabilities.ts';
import type { KeepsSideFiles, SideFiles } from '../side-files.ts';
import { BucketSideFiles } from './bucket-side-files.ts';
import { copyObject } from './copy-object.ts';
import { finishUpload } from './finish-upload.ts';
import { isUploadId, isWhole, TOMBSTONE, wholeName } from './object-keys.ts';
import { openObject } from './object-reader.ts';
import type { PartStore } from './part-store.ts';
import { PartWriter } from './part-writer.ts';
import { ifThere, type ObjectPart } from './s3-bucket.ts';
import { NotThereError } from './s3-errors.ts';
import { blobsOf, leftoversOf, listGroups, touchedAt } from './stored-groups.ts';
import { emptyDetail, encodeDetail, parseDetail, type UploadDetail } from './upload-detail.ts';

/**
 * Milliseconds within which a sweep cannot take a touched upload for abandoned: half the age at which garbage
 * collection drops unrecorded uploads.
 */
const SURELY_KEPT = 30 * 60 * 1000;

/** Ways to access objects other than requests to the bucket. */
export interface ObjectAccess {
  /** Returns the URL of a download. */
  readonly sign: (key: string) => Promise<string>;
  /** Resolves to undefined when the bytes do not arrive at once as expected. */
  readonly connect: (part: ObjectPart, signal?: AbortSignal) => Promise<BlobConnection | undefined>;
  /** Closes all connections except those that were passed on to callers. */
  readonly disconnect: () => void;
}

/**
 * Blobs as objects of a bucket. Uploads are multipart uploads whose parts are stored while they stream; the remainder
 * that does not fill a part is a separate object, the tail. Both get permanent, unguessable names: a commit ends the
 * multipart upload (a small upload's tail is its content as it is) and puts a marker beside it that states its digest.
 * The marker is the decisive step. Nothing is ever overwritten with other bytes and no conditional request is needed,
 * so any server with consistent listings works: a listing shows each earlier commit and delete.
 *
 * An abort by a sweep and a commit at the same time: the one puts a tombstone and then looks for the marker, the other,
 * unless its upload is too young for a sweep, puts the marker and then looks for the tombstone. One of them sees the
 * other's object and gives way.
 */
export class S3Driver
  implements
    BlobDriver,
    BatchDeletes,
    BlobConnections,
    KeepsSideFiles,
    OneListing,
    SignedDownloads,
    SmallContent
{
  readonly #store: PartStore;
  readonly #access: ObjectAccess;
  readonly smallLimit = 256 * 1024;
  readonly sideFiles: SideFiles;

  /** For openS3Driver. */
  constructor(store: PartStore, access: ObjectAccess) {
    this.#store = store;
    this.#access = access;
    this.sideFiles = new BucketSideFiles(store.bucket, store.keys);
  }

  /** Closes the connections. */
  async close(): Promise<void> {
    this.#access.disconnect();
  }

  /** Needs one request: the object's name contains the digest. */
  async storeSmall(id: string, digest: Digest, content: Uint8Array): Promise<StoredBlob> {
    const blob = { digest, size: content.byteLength, location: `${id}/${wholeName(digest)}` };
    await this.#store.bucket.put(this.#store.keys.content(blob.location), content);
    return blob;
  }

  /** Sends no request: the first append begins the upload in S3. */
  async beginUpload(id: string): Promise<DriverUpload> {
    return { id, size: 0, detail: encodeDetail(emptyDetail(id)) };
  }

  async appendUpload(
    upload: DriverUpload,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<DriverUpload> {
    signal?.throwIfAborted();
    const before = parseDetail(upload);
    const detail = await unlessGone(upload.id, new PartWriter(this.#store, before).append(content, signal));
    return { id: upload.id, size: sizeOf(detail), detail: encodeDetail(detail) };
  }

  /** Makes one object of the parts first, because S3 cannot read parts. The upload can still be continued. */
  async *readUpload(upload: DriverUpload, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const detail = parseDetail(upload);
    const { size } = upload;
    if (size === 0) return;
    const name = await finishUpload(this.#store, upload, detail);
    const key = this.#store.keys.group(upload.id) + name;
    const part = { key, size, range: { start: 0, end: size - 1 } };
    yield* await unlessGone(upload.id, openObject(this.#store.bucket, part, signal));
  }

  async commitUpload(upload: DriverUpload, digest: Digest): Promise<StoredBlob> {
    const detail = parseDetail(upload);
    const { bucket, keys } = this.#store;
    const name = await finishUpload(this.#store, upload, detail);
    const blob = { digest, size: upload.size, location: `${upload.id}/${name}` };
    const used = [detail.object?.name, detail.tail?.name, ...detail.stale].filter(
      (other) => other !== undefined,
    );
    const left = used.filter((other) => other !== name);
    await Promise.all([
      bucket.put(keys.marker(blob), new Uint8Array(0)),
      bucket.delete(left.map((other) => keys.group(upload.id) + other)),
    ]);
    if (Date.now() - detail.at > SURELY_KEPT) await this.#giveWayToAbort(upload.id, blob);
    return blob;
  }

  async abortUpload({ id }: DriverUpload): Promise<void> {
    if (!isUploadId(id)) return;
    const { bucket, keys } = this.#store;
    const prefix = keys.group(id);
    await bucket.put(prefix + TOMBSTONE, new Uint8Array(0));
    for await (const { key, multipartId } of bucket.listMultiparts(prefix))
      await bucket.dropParts(key, multipartId);
    for await (const group of listGroups(bucket, keys, prefix, undefined)) {
      await bucket.delete(leftoversOf(group));
    }
  }

  /** Lists the whole bucket; with a catalog, look up the location there instead. */
  async findBlobs(digest: Digest): Promise<readonly StoredFile[]> {
    const files: StoredFile[] = [];
    for await (const file of this.listBlobs()) if (file.digest === digest) files.push(file);
    return files;
  }

  storedSize({ location }: StoredBlob): Promise<number | undefined> {
    return this.#store.bucket.sizeOf(this.#store.keys.content(location));
  }

  async readBlob(
    { digest, size, location }: StoredBlob,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    signal?.throwIfAborted();
    const { bucket, keys } = this.#store;
    const part = { key: keys.content(location), size, range: range ?? { start: 0, end: size - 1 } };
    const content = await ifThere(openObject(bucket, part, signal));
    if (content === undefined) throw new BlobUnknownError(`there is no blob ${digest}`);
    return content;
  }

  connectBlob(
    { size, location }: StoredBlob,
    range: ByteRange,
    signal?: AbortSignal,
  ): Promise<BlobConnection | undefined> {
    return this.#access.connect({ key: this.#store.keys.content(location), size, range }, signal);
  }

  async deleteBlob(blob: StoredBlob): Promise<boolean> {
    const isThere = (await this.storedSize(blob)) !== undefined;
    await this.deleteBlobs([blob]);
    return isThere;
  }

  async deleteBlobs(blobs: readonly StoredBlob[]): Promise<void> {
    const { bucket, keys } = this.#store;
    await bucket.delete(
      blobs.flatMap((blob) => {
        const content = keys.content(blob.location);
        return isWhole(blob) ? content : [content, keys.marker(blob)];
      }),
    );
  }

  async setAside(blob: StoredBlob): Promise<void> {
    const { keys } = this.#store;
    const size = await this.storedSize(blob);
    if (size !== undefined) {
      await copyObject(this.#store, keys.content(blob.location), size, keys.quarantine(blob));
    }
    await this.deleteBlobs([blob]);
  }

  async *listBlobs(signal?: AbortSignal): AsyncGenerator<StoredFile, void, undefined> {
    signal?.throwIfAborted();
    const { bucket, keys } = this.#store;
    for await (const group of listGroups(bucket, keys, keys.groups, signal)) yield* blobsOf(group);
  }

  async *listUploads(signal?: AbortSignal): ReturnType<BlobDriver['listUploads']> {
    for await (const entry of this.listStored(signal)) {
      if (entry.kind === 'upload') yield { id: entry.id, touchedAt: entry.touchedAt };
    }
  }

  async *listStored(signal?: AbortSignal): AsyncGenerator<StoredEntry, void, undefined> {
    signal?.throwIfAborted();
    const { bucket, keys } = this.#store;
    const parted = await this.#partedUploads(signal);
    for await (const group of listGroups(bucket, keys, keys.groups, signal)) {
      const { uploadId } = group;
      const files = blobsOf(group);
      for (const file of files) yield { kind: 'blob', file };
      const partedAt = parted.get(uploadId);
      parted.delete(uploadId);
      // A multipart upload beside a blob was abandoned, or has become the blob since it was listed.
      const isParted = partedAt !== undefined && (files.length === 0 || (await this.#hasParts(uploadId)));
      if (!isParted && leftoversOf(group).length === 0) continue;
      const storedAt = touchedAt(group);
      yield {
        kind: 'upload',
        id: uploadId,
        touchedAt: partedAt !== undefined && partedAt > storedAt ? partedAt : storedAt,
      };
    }
    for (const [id, at] of parted) yield { kind: 'upload', id, touchedAt: at };
  }

  signDownload({ location }: StoredBlob): Promise<string> {
    return this.#access.sign(this.#store.keys.content(location));
  }

  /** Lists uploads with parts, and the time of their last part. */
  async #partedUploads(signal: AbortSignal | undefined): Promise<Map<string, Date>> {
    const { bucket, keys } = this.#store;
    const found = new Map<string, Date>();
    for await (const { key, multipartId, begunAt } of bucket.listMultiparts(keys.groups, signal)) {
      const id = keys.parse(key)?.uploadId;
      if (id === undefined) continue;
      const isYoung = Date.now() - begunAt.getTime() < SURELY_KEPT;
      const parts = isYoung ? [] : await ifThere(Array.fromAsync(bucket.listParts(key, multipartId)));
      const times = [...(parts ?? []).map(({ storedAt }) => storedAt), begunAt, found.get(id) ?? begunAt];
      found.set(id, new Date(Math.max(...times.map((time) => time.getTime()))));
    }
    return found;
  }

  async #hasParts(uploadId: string): Promise<boolean> {
    const { bucket, keys } = this.#store;
    for await (const _ of bucket.listMultiparts(keys.group(uploadId))) return true;
    return false;
  }

  /** Throws UploadUnknownError, and deletes the marker, when another process is dropping the upload. */
  async #giveWayToAbort(id: string, blob: StoredBlob): Promise<void> {
    const { bucket, keys } = this.#store;
    for await (const group of listGroups(bucket, keys, keys.group(id), undefined)) {
      const isThere = blobsOf(group).some(({ location }) => location === blob.location);
      if (isThere && !group.objects.has(TOMBSTONE)) return;
    }
    await bucket.delete([keys.marker(blob)]);
    throw new UploadUnknownError(`the upload ${id} was left for too long and has been dropped`);
  }
}

function sizeOf({ object, tail }: UploadDetail): number {
  return (object === undefined ? 0 : object.etags.length * object.partSize) + (tail?.size ?? 0);
}

async function unlessGone<Result>(id: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof NotThereError)) throw error;
    throw new UploadUnknownError(`there is no upload ${id}`, { cause: error });
  }
}
