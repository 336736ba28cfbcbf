import type { Digest } from '../../oci/digest.ts';
import type {
  BlobDriver,
  ByteRange,
  DriverUpload,
  StoredBlob,
  StoredFile,
} from '../../storage/blobs/blob-driver.ts';
import { BlobUnknownError, UploadUnknownError } from '../../storage/errors.ts';

interface Upload {
  bytes: Buffer;
  touchedAt: Date;
}

interface File extends StoredFile {
  readonly bytes: Buffer;
}

/** The content of a MemoryBlobDriver; several drivers may share it, as processes share a disk. */
export class MemoryDisk {
  readonly uploads = new Map<string, Upload>();
  readonly files = new Map<string, File>();
  readonly setAside = new Map<string, File>();
}

/** A BlobDriver for tests. */
export class MemoryBlobDriver implements BlobDriver {
  readonly #disk: MemoryDisk;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  async beginUpload(id: string): Promise<DriverUpload> {
    this.#disk.uploads.set(id, { bytes: Buffer.alloc(0), touchedAt: new Date() });
    return { id, size: 0, detail: '' };
  }

  async appendUpload(
    upload: DriverUpload,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<DriverUpload> {
    const kept = this.#upload(upload);
    const chunks: Uint8Array[] = [kept.bytes.subarray(0, upload.size)];
    const iterator = content[Symbol.asyncIterator]();
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    aborted.catch(() => {});
    try {
      for (;;) {
        signal?.throwIfAborted();
        const next = await Promise.race([iterator.next(), aborted]);
        if (next.done === true) break;
        chunks.push(Buffer.from(next.value));
      }
    } catch (error) {
      iterator.return?.().catch(() => {});
      throw error;
    }
    const bytes = Buffer.concat(chunks);
    this.#disk.uploads.set(upload.id, { bytes, touchedAt: new Date() });
    return { ...upload, size: bytes.length };
  }

  async *readUpload(upload: DriverUpload): AsyncGenerator<Uint8Array, void, undefined> {
    const { bytes } = this.#upload(upload);
    if (upload.size > 0) yield bytes.subarray(0, upload.size);
  }

  async commitUpload(upload: DriverUpload, digest: Digest): Promise<StoredBlob> {
    const location = `${digest} ${upload.id}`;
    const present = this.#disk.files.get(location);
    if (present?.size !== upload.size) {
      const bytes = this.#upload(upload).bytes.subarray(0, upload.size);
      const file = { digest, size: upload.size, location, uploadId: upload.id, storedAt: new Date(), bytes };
      this.#disk.files.set(location, file);
      this.#disk.uploads.delete(upload.id);
    }
    return { digest, size: upload.size, location };
  }

  async abortUpload({ id }: DriverUpload): Promise<void> {
    this.#disk.uploads.delete(id);
  }

  async findBlobs(digest: Digest): Promise<readonly StoredFile[]> {
    return [...this.#disk.files.values()].filter((file) => file.digest === digest).map(withoutBytes);
  }

  async storedSize({ location }: StoredBlob): Promise<number | undefined> {
    return this.#disk.files.get(location)?.size;
  }

  async readBlob(
    blob: StoredBlob,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    signal?.throwIfAborted();
    const file = this.#disk.files.get(blob.location);
    if (file === undefined) throw new BlobUnknownError(`there is no blob ${blob.digest}`);
    const bytes = range === undefined ? file.bytes : file.bytes.subarray(range.start, range.end + 1);
    return inChunks(bytes, signal);
  }

  async deleteBlob({ location }: StoredBlob): Promise<boolean> {
    return this.#disk.files.delete(location);
  }

  async setAside({ location }: StoredBlob): Promise<void> {
    const file = this.#disk.files.get(location);
    if (file !== undefined) this.#disk.setAside.set(location, file);
    this.#disk.files.delete(location);
  }

  async *listBlobs(signal?: AbortSignal): AsyncGenerator<StoredFile, void, undefined> {
    for (const file of [...this.#disk.files.values()]) {
      signal?.throwIfAborted();
      yield withoutBytes(file);
    }
  }

  async *listUploads(
    signal?: AbortSignal,
  ): AsyncGenerator<{ readonly id: string; readonly touchedAt: Date }, void, undefined> {
    for (const [id, { touchedAt }] of [...this.#disk.uploads]) {
      signal?.throwIfAborted();
      yield { id, touchedAt };
    }
  }

  #upload({ id, size }: DriverUpload): Upload {
    const upload = this.#disk.uploads.get(id);
    if (upload === undefined || upload.bytes.length < size) throw new UploadUnknownError(`no upload ${id}`);
    return upload;
  }
}

function withoutBytes({ bytes: _, ...file }: File): StoredFile {
  return file;
}

async function* inChunks(bytes: Buffer, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 65_536) {
    signal?.throwIfAborted();
    yield bytes.subarray(start, start + 65_536);
  }
  signal?.throwIfAborted();
}
