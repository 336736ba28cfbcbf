import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, opendir, rename, stat, truncate, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeFolder } from '../../../lib/files/make-folder.ts';
import { openPrivateFile } from '../../../lib/files/private-file.ts';
import { READ_AT_ONCE } from '../../../lib/files/regular-file.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { DiskReserve } from '../../disk-reserve.ts';
import { BlobUnknownError, ContentDamagedError, UploadUnknownError } from '../../errors.ts';
import { abortable } from '../abortable.ts';
import type {
  BlobDriver,
  ByteRange,
  DriverUpload,
  StoredBlob,
  StoredFile,
  StoredUpload,
} from '../blob-driver.ts';
import type { BoundedSpace, LocalFiles, LosesUnsynced, SmallContent } from '../driver-capabilities.ts';
import type { KeepsSideFiles, SideFiles } from '../side-files.ts';
import { DurableFolders, isMissing, onDevice, syncFolder } from './device.ts';
import { FolderSideFiles } from './folder-side-files.ts';
import { replayJournals } from './journal/replay-journals.ts';
import { SmallFiles } from './journal/small-files.ts';
import { type FilesystemSync, openFilesystemSync } from './journal/sync-filesystem.ts';
import {
  BLOBS,
  blobLocation,
  blobPath,
  FileReader,
  findBlobFiles,
  isUploadId,
  listBlobFiles,
  QUARANTINE,
  quarantinePath,
  UPLOADS,
  uploadPath,
} from './layout.ts';
import { BufferPool, readBootId, UploadDetail, WriteBehind } from './write-behind.ts';

/** Maximum bytes of storeSmall; larger content gains little from it. */
const SMALL_LIMIT = 32 * 1024;
/** Bytes of each of the two files. */
const JOURNAL_SIZE = 2 * 1024 * 1024;

export interface FilesystemOptions {
  /**
   * Whether this driver, the only one of the folder among all processes, stores small content by a journal. Content in
   * the journal of an earlier driver is restored first. Such a driver must be closed.
   */
  readonly journal?: boolean;
  /** Makes no folder: the folder, which may be on a read-only file system, is only read. */
  readonly readOnly?: boolean;
  /** Identifies this run of the kernel; read from the system by default. Used only with `journal`. */
  readonly boot?: string;
  /** Reserved space: nothing is stored while the reserve is used up. */
  readonly reserve?: DiskReserve;
  /** Called with the error of a sync of the journal that has failed. */
  readonly onDeviceFailure?: (error: unknown) => void;
}

/**
 * Opens a folder as a blob driver and creates it if needed: `blobs/<algorithm>/<2 hex>/<hex>.<uuid>` and
 * `uploads/<uuid>`, all on one file system. Only one process at a time may write to an upload; any may delete blobs.
 * Throws StorageFullError.
 */
export async function openFilesystemDriver(
  root: string,
  { journal = false, readOnly = false, boot, reserve, onDeviceFailure }: FilesystemOptions = {},
): Promise<FilesystemDriver> {
  const absolute = resolve(root);
  const folders = new DurableFolders();
  await onDevice(async () => {
    if (readOnly) return;
    makeFolder(absolute);
    await folders.ensure(join(absolute, BLOBS));
    await folders.ensure(join(absolute, UPLOADS));
    if (journal) await replayJournals(absolute);
  });
  const filesystem = journal ? openFilesystemSync(absolute) : undefined;
  const small =
    filesystem &&
    new SmallFiles({
      root: absolute,
      folders,
      journalSize: JOURNAL_SIZE,
      syncFilesystem: filesystem.sync,
      ...(onDeviceFailure && { onDeviceFailure }),
    });
  const details = new UploadDetail(journal ? (boot ?? readBootId()) : undefined);
  return new FilesystemDriver(absolute, { folders, small, filesystem, reserve, details });
}

interface DriverParts {
  readonly folders: DurableFolders;
  readonly small: SmallFiles | undefined;
  readonly filesystem: FilesystemSync | undefined;
  readonly reserve: DiskReserve | undefined;
  readonly details: UploadDetail;
}

/**
 * Blobs as files; a commit is a rename. Folders have mode 0700 and files 0600. An upload whose sync has failed is
 * removed: UploadUnknownError. An upload has no file before its first bytes.
 */
export class FilesystemDriver
  implements BlobDriver, BoundedSpace, KeepsSideFiles, LocalFiles, LosesUnsynced, SmallContent
{
  readonly smallLimit = SMALL_LIMIT;
  readonly sideFiles: SideFiles;
  readonly #root: string;
  readonly #folders: DurableFolders;
  readonly #small: SmallFiles | undefined;
  readonly #filesystem: FilesystemSync | undefined;
  readonly #reserve: DiskReserve | undefined;
  readonly #details: UploadDetail;
  readonly #buffers = new BufferPool(32);

  /** For openFilesystemDriver; `root` is absolute and has its folders. */
  constructor(root: string, { folders, small, filesystem, reserve, details }: DriverParts) {
    this.#root = root;
    this.#details = details;
    this.#folders = folders;
    this.#small = small;
    this.#filesystem = filesystem;
    this.#reserve = reserve;
    this.sideFiles = new FolderSideFiles(root);
  }

  /** Waits for pending calls of storeSmall, which works without a journal from then on. */
  async close(): Promise<void> {
    await this.#small?.close();
    this.#filesystem?.close();
  }

  async beginUpload(id: string): Promise<DriverUpload> {
    return { id, size: 0, detail: '' };
  }

  async storeSmall(id: string, digest: Digest, content: Uint8Array): Promise<StoredBlob> {
    await this.#reserve?.refuseIfSpent();
    const location = blobLocation({ digest, uploadId: id });
    const small = this.#small;
    if (small !== undefined && (await onDevice(() => small.store({ location, content })))) {
      return { digest, size: content.byteLength, location };
    }
    const upload = await this.beginUpload(id);
    return this.commitUpload(await this.appendUpload(upload, single(content)), digest);
  }

  async appendUpload(
    upload: DriverUpload,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<DriverUpload> {
    await this.#reserve?.refuseIfSpent();
    const file = await onDevice(() => this.#openUpload(upload, 'drop the rest'));
    try {
      return await onDevice(async () => {
        const sync = () => syncContent(file, uploadPath(this.#root, upload.id));
        const writer = new WriteBehind(file, upload.size, this.#buffers, sync);
        try {
          for await (const chunk of abortable(content, signal)) await writer.write(chunk);
        } finally {
          await writer.finish();
        }
        return this.#details.grown(upload, writer.end, writer.durable);
      });
    } finally {
      await file.close();
    }
  }

  async appendFile(
    upload: DriverUpload,
    write: (fd: number, position: number) => Promise<number>,
  ): Promise<DriverUpload> {
    await this.#reserve?.refuseIfSpent();
    const file = await onDevice(() => this.#openUpload(upload, 'drop the rest'));
    try {
      return await onDevice(async () => {
        // Earlier bytes are stored while later ones arrive.
        const isDurable = this.#details.durable(upload) >= upload.size;
        const [count] = await Promise.all([
          write(file.fd, upload.size),
          isDurable ? undefined : syncContent(file, uploadPath(this.#root, upload.id)),
        ]);
        return this.#details.grown(upload, upload.size + count, upload.size);
      });
    } finally {
      await file.close();
    }
  }

  async *readUpload(upload: DriverUpload, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const file = await this.#openUpload(upload, 'leave the rest');
    yield* new FileReader(file, 0, upload.size, signal);
  }

  async commitUpload(upload: DriverUpload, digest: Digest): Promise<StoredBlob> {
    const blob = { digest, size: upload.size, location: blobLocation({ digest, uploadId: upload.id }) };
    const source = uploadPath(this.#root, upload.id);
    const target = blobPath(this.#root, blob.location);
    await onDevice(async () => {
      // The location is unique to this upload, so the file is from an earlier commit of it.
      if ((await sizeOf(target)) !== upload.size) {
        await this.#makeDurable(upload, source);
        await this.#folders.ensure(dirname(target));
        await rename(source, target);
      }
      // In both cases: the earlier commit may have been interrupted before this line.
      await syncFolder(dirname(target));
    });
    return blob;
  }

  settled(upload: DriverUpload): DriverUpload {
    return this.#details.settled(upload);
  }

  async refuseIfTooLarge(bytes: number): Promise<void> {
    await this.#reserve?.refuseIfTooLarge(bytes);
  }

  async takeBack(upload: DriverUpload): Promise<void> {
    const path = uploadPath(this.#root, upload.id);
    if (upload.size === 0) await removeFile(path);
    else if (((await sizeOf(path)) ?? 0) > upload.size) await truncate(path, upload.size);
  }

  async abortUpload(upload: DriverUpload): Promise<void> {
    await removeFile(uploadPath(this.#root, upload.id));
  }

  findBlobs(digest: Digest): Promise<readonly StoredFile[]> {
    return findBlobFiles(this.#root, digest);
  }

  storedSize(blob: StoredBlob): Promise<number | undefined> {
    return sizeOf(blobPath(this.#root, blob.location));
  }

  /** The result must be iterated once, or `signal` aborted: until then it holds an open file. */
  async readBlob(
    blob: StoredBlob,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    signal?.throwIfAborted();
    const file = await this.openFile(blob);
    return new FileReader(file, range?.start ?? 0, range === undefined ? blob.size : range.end + 1, signal);
  }

  async openFile(blob: StoredBlob): Promise<FileHandle> {
    const file = await this.#openBlob(blob);
    try {
      const status = await file.stat();
      if (!status.isFile()) throw noFile(blob);
      if (status.size === blob.size) return file;
      throw new ContentDamagedError(
        `the file of ${blob.digest} has ${status.size} bytes instead of ${blob.size}: it is damaged`,
      );
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Does not sync the folder, which would take longest: the next sweep deletes files that a power cut brings back. */
  deleteBlob(blob: StoredBlob): Promise<boolean> {
    return removeFile(blobPath(this.#root, blob.location));
  }

  async setAside(blob: StoredBlob): Promise<void> {
    const source = blobPath(this.#root, blob.location);
    await this.#folders.ensure(join(this.#root, QUARANTINE));
    try {
      await rename(source, quarantinePath(this.#root, blob.location));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  listBlobs(signal?: AbortSignal): AsyncIterable<StoredFile> {
    return listBlobFiles(this.#root, signal);
  }

  async *listUploads(signal?: AbortSignal): AsyncGenerator<StoredUpload, void, undefined> {
    const folder = await opendir(join(this.#root, UPLOADS)).catch((error: unknown) => {
      // Tools that copy backups may leave out empty folders.
      if (isMissing(error)) return [];
      throw error;
    });
    for await (const entry of folder) {
      signal?.throwIfAborted();
      if (!isUploadId(entry.name)) continue;
      const status = await statusOf(join(this.#root, UPLOADS, entry.name));
      if (status !== undefined) yield { id: entry.name, touchedAt: status.mtime, size: status.size };
    }
  }

  /** Opens an upload, without the remains of a failed append beyond its size. */
  async #openUpload(upload: DriverUpload, rest: 'drop the rest' | 'leave the rest'): Promise<FileHandle> {
    const path = uploadPath(this.#root, upload.id);
    let file: FileHandle;
    try {
      // An empty upload has no file, unless an append failed.
      file = await openPrivateFile(path, upload.size > 0 ? 'r+' : constants.O_RDWR | constants.O_CREAT);
    } catch (error) {
      if (isMissing(error)) throw new UploadUnknownError(`there is no upload ${upload.id}`, { cause: error });
      throw error;
    }
    try {
      const { size } = await file.stat();
      if (size < upload.size) {
        throw new UploadUnknownError(
          `of the upload ${upload.id} only ${size} of ${upload.size} bytes are left: start the upload again`,
        );
      }
      if (size > upload.size && rest === 'drop the rest') await file.truncate(upload.size);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #openBlob(blob: StoredBlob): Promise<FileHandle> {
    try {
      return await open(blobPath(this.#root, blob.location), READ_AT_ONCE | constants.O_NOFOLLOW);
    } catch (error) {
      if (['ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) throw noFile(blob, error);
      if (isMissing(error)) throw new BlobUnknownError(`there is no blob ${blob.digest}`, { cause: error });
      throw error;
    }
  }

  async #makeDurable(upload: DriverUpload, path: string): Promise<void> {
    const file = await this.#openUpload(upload, 'drop the rest');
    try {
      await syncContent(file, path);
    } finally {
      await file.close();
    }
  }
}

/** Berth stores blobs as files: something else was put there. */
function noFile({ digest }: StoredBlob, cause?: unknown): ContentDamagedError {
  return new ContentDamagedError(
    `something that is not a regular file is in place of ${digest}: it is damaged`,
    { cause },
  );
}

/**
 * Makes the content of an upload durable, or removes the upload: after a failure the kernel takes the pages that it
 * could not write for clean, so that a second attempt would succeed without the content.
 */
async function syncContent(file: FileHandle, path: string): Promise<void> {
  try {
    await file.datasync();
  } catch (error) {
    await removeFile(path);
    throw error;
  }
}

async function* single(content: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield content;
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await statusOf(path))?.size;
}

async function statusOf(path: string): Promise<Pick<Stats, 'mtime' | 'size'> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
