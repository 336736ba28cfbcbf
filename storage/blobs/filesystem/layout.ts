import { type FileHandle, opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../../../oci/digest.ts';
import { UploadUnknownError } from '../../errors.ts';
import type { StoredFile } from '../blob-driver.ts';
import { isMissing } from './device.ts';

/** Folders under a driver's root. */
export const BLOBS = 'blobs';
export const UPLOADS = 'uploads';
export const QUARANTINE = 'quarantine';
export const JOURNAL = 'journal';

/** The parts of a blob's location. */
export interface BlobName {
  readonly digest: Digest;
  /** The upload that was committed there. */
  readonly uploadId: string;
}

/** Returns the folder of a blob and its copies, relative to the root: `blobs/sha256/ab`. */
function blobFolder(digest: Digest): string {
  return `${BLOBS}/${digestAlgorithm(digest)}/${digestHex(digest).slice(0, 2)}`;
}

/**
 * Returns the location of a blob, relative to the root: `blobs/sha256/ab/ab12….<upload>`. Every commit has its own
 * location.
 */
export function blobLocation({ digest, uploadId }: BlobName): string {
  return `${blobFolder(digest)}/${digestHex(digest)}.${uploadId}`;
}

/** Parses a location; undefined when it is not one of a blob. */
export function nameAtLocation(location: string): BlobName | undefined {
  const [, algorithm, , file = ''] = location.split('/');
  const dot = file.indexOf('.');
  const digest = `${algorithm}:${file.slice(0, Math.max(dot, 0))}`;
  const uploadId = file.slice(dot + 1);
  if (!isDigest(digest) || !isUploadId(uploadId)) return undefined;
  return blobLocation({ digest, uploadId }) === location ? { digest, uploadId } : undefined;
}

/**
 * Returns the absolute path of a blob. Throws when `location` was not made by blobLocation, so that it cannot escape
 * the root.
 */
export function blobPath(root: string, location: string): string {
  refuseOther(location);
  return join(root, location);
}

/** Returns the absolute path of a blob in quarantine. Throws as blobPath does. */
export function quarantinePath(root: string, location: string): string {
  refuseOther(location);
  return join(root, QUARANTINE, location.slice(location.lastIndexOf('/') + 1));
}

/** Returns the absolute path of an upload's bytes. Throws UploadUnknownError when `id` is not a UUID. */
export function uploadPath(root: string, id: string): string {
  if (!isUploadId(id))
    throw new UploadUnknownError(`no upload has the id ${JSON.stringify(id.slice(0, 80))}`);
  return join(root, UPLOADS, id);
}

export function isUploadId(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

function refuseOther(location: string): void {
  if (nameAtLocation(location) === undefined) {
    throw new Error(`${JSON.stringify(location)} is not the location of a blob of this folder`);
  }
}

/** Yields every blob under a driver's root, in no order. Skips files that do not look like blobs. */
export async function* listBlobFiles(
  root: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<StoredFile, void, undefined> {
  for (const algorithm of await folderNames(root, BLOBS)) {
    for (const prefix of await folderNames(root, `${BLOBS}/${algorithm}`)) {
      yield* filesIn(root, `${BLOBS}/${algorithm}/${prefix}`, signal);
    }
  }
}

/** Returns every copy of one blob. */
export async function findBlobFiles(root: string, digest: Digest): Promise<readonly StoredFile[]> {
  const found: StoredFile[] = [];
  try {
    for await (const file of filesIn(root, blobFolder(digest), undefined, digest)) found.push(file);
  } catch (error) {
    // The first blob in a folder creates it.
    if (!isMissing(error)) throw error;
  }
  return found;
}

async function* filesIn(
  root: string,
  folder: string,
  signal: AbortSignal | undefined,
  wanted?: Digest,
): AsyncGenerator<StoredFile, void, undefined> {
  for await (const entry of await opendir(join(root, folder))) {
    signal?.throwIfAborted();
    const location = `${folder}/${entry.name}`;
    const name = nameAtLocation(location);
    if (name === undefined || (wanted !== undefined && name.digest !== wanted) || !entry.isFile()) continue;
    const status = await statusOf(join(root, location));
    if (status !== undefined) yield { ...name, ...status, location };
  }
}

async function folderNames(root: string, folder: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const entry of await opendir(join(root, folder))) {
    if (entry.isDirectory()) names.push(entry.name);
  }
  return names;
}

/** Returns undefined when the blob was deleted since its folder was read. */
async function statusOf(path: string): Promise<Pick<StoredFile, 'size' | 'storedAt'> | undefined> {
  try {
    const { size, ctime } = await stat(path);
    // A rename sets ctime and keeps mtime.
    return { size, storedAt: ctime };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

const CHUNK_SIZE = 256 * 1024;

/**
 * Reads an open file from `start` up to but excluding `end`, in chunks that the caller may keep. Reads one chunk ahead.
 * Closes the file when reading ends for any reason, and when `signal` aborts. Throws the signal's reason, and an error
 * when the file is shorter than `end`.
 */
export class FileReader implements AsyncIterable<Uint8Array> {
  readonly #handle: FileHandle;
  readonly #start: number;
  readonly #end: number;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => {
    if (!this.#reading) void this.#close();
  };
  #reading = false;
  #closing: Promise<void> | undefined;

  constructor(handle: FileHandle, start: number, end: number, signal: AbortSignal | undefined) {
    this.#handle = handle;
    this.#start = start;
    this.#end = end;
    this.#signal = signal;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#reading) throw new Error('the content of a blob can be iterated only once');
    this.#reading = true;
    let ahead: Promise<Uint8Array> | undefined;
    try {
      this.#signal?.throwIfAborted();
      let position = this.#start;
      ahead = this.#readAhead(position);
      while (ahead !== undefined) {
        const chunk: Uint8Array = await ahead;
        this.#signal?.throwIfAborted();
        position += chunk.byteLength;
        ahead = this.#readAhead(position);
        yield chunk;
        this.#signal?.throwIfAborted();
      }
    } finally {
      await ahead?.catch(() => {});
      await this.#close();
    }
  }

  #readAhead(position: number): Promise<Uint8Array> | undefined {
    if (position >= this.#end) return undefined;
    const chunk = this.#read(position);
    // A failure is thrown when this chunk is consumed; this avoids an unhandled rejection until then.
    chunk.catch(() => {});
    return chunk;
  }

  async #read(position: number): Promise<Uint8Array> {
    const length = Math.min(CHUNK_SIZE, this.#end - position);
    const { bytesRead, buffer } = await this.#handle.read(
      Buffer.allocUnsafeSlow(length),
      0,
      length,
      position,
    );
    if (bytesRead === 0) {
      throw new Error(`the file ends after ${position} bytes, where ${this.#end} were expected`);
    }
    return buffer.subarray(0, bytesRead);
  }

  #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#closing ??= this.#handle.close();
    return this.#closing;
  }
}
