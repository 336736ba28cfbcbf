/** An error of storage. `code` is literal so that callers can map it without knowing the classes. */
export abstract class StorageError extends Error {
  abstract readonly code: StorageErrorCode;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

export type StorageErrorCode =
  | 'BLOB_IN_USE'
  | 'BLOB_TOO_LARGE'
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'CONTENT_DAMAGED'
  | 'DIGEST_MISMATCH'
  | 'IMAGE_RUNS'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_UNKNOWN'
  | 'PRECONDITION_FAILED'
  | 'QUOTA_EXCEEDED'
  | 'RANGE_INVALID'
  | 'SETTING_INVALID'
  | 'STORAGE_FULL'
  | 'TAG_NOT_RESTORABLE'
  | 'TAG_REFUSED'
  | 'UPLOADS_TOO_MANY'
  | 'UPLOAD_BUSY';

/** The blob is larger than the storage can accept. */
export class BlobTooLargeError extends StorageError {
  readonly code = 'BLOB_TOO_LARGE';
}

/** A manifest of the repository needs the blob. */
export class BlobInUseError extends StorageError {
  readonly code = 'BLOB_IN_USE';
}

/** A release that runs needs the image. */
export class ImageRunsError extends StorageError {
  readonly code = 'IMAGE_RUNS';
}

/** No such blob in this repository, or in the store. */
export class BlobUnknownError extends StorageError {
  readonly code = 'BLOB_UNKNOWN';
}

/** The stored content does not match its digest any more. */
export class ContentDamagedError extends StorageError {
  readonly code = 'CONTENT_DAMAGED';
}

export class UploadUnknownError extends StorageError {
  readonly code = 'BLOB_UPLOAD_UNKNOWN';
}

/** Another request is writing to this upload. */
export class UploadBusyError extends StorageError {
  readonly code = 'UPLOAD_BUSY';
}

/** A chunk does not begin at the end of the upload; `size` is the required position. */
export class RangeInvalidError extends StorageError {
  readonly code = 'RANGE_INVALID';
  readonly size: number;
  constructor(message: string, size: number) {
    super(message);
    this.size = size;
  }
}

/** The content does not have the digest that the client stated. */
export class DigestMismatchError extends StorageError {
  readonly code = 'DIGEST_MISMATCH';
}

export class ManifestUnknownError extends StorageError {
  readonly code = 'MANIFEST_UNKNOWN';
}

/** Creates the error for a manifest that does not exist, or that must not be seen; `text` is an invalid reference. */
export function unknownManifest(
  repository: string,
  { digest, tag, text = '' }: { readonly digest?: string; readonly tag?: string; readonly text?: string },
): ManifestUnknownError {
  const reference = (digest ?? tag ?? text).slice(0, 160);
  return new ManifestUnknownError(`${repository.slice(0, 255)} has no manifest ${reference}`);
}

/** A manifest refers to content that its repository does not have. */
export class ManifestBlobUnknownError extends StorageError {
  readonly code = 'MANIFEST_BLOB_UNKNOWN';
  readonly missing: readonly string[];
  constructor(missing: readonly string[]) {
    super(
      `the manifest refers to content that is not in this repository: ${missing.slice(0, 10).join(', ')}`,
    );
    this.missing = missing;
  }
}

export class NameUnknownError extends StorageError {
  readonly code = 'NAME_UNKNOWN';
}

/** A precondition failed. */
export class PreconditionFailedError extends StorageError {
  readonly code = 'PRECONDITION_FAILED';
}

/** A tag rule refuses to change a tag, or to delete content that it needs. */
export class TagRefusedError extends StorageError {
  readonly code = 'TAG_REFUSED';
}

/** A deleted tag cannot be restored: it exists again, or its manifest was deleted. */
export class TagRestoreError extends StorageError {
  readonly code = 'TAG_NOT_RESTORABLE';
}

/** The repositories of a quota would exceed it. */
export class QuotaExceededError extends StorageError {
  readonly code = 'QUOTA_EXCEEDED';
}

/** The maximum number of webhooks, quotas or tag rules is reached. */
export class TooManySettingsError extends StorageError {
  readonly code = 'SETTING_INVALID';
}

/** An account has the maximum number of unfinished uploads. */
export class TooManyUploadsError extends StorageError {
  readonly code = 'UPLOADS_TOO_MANY';
}

/** The device is full or over quota; nothing was changed and the caller may retry. */
export class StorageFullError extends StorageError {
  readonly code = 'STORAGE_FULL';
}

/**
 * The database cannot be reached, or takes too long; the caller may retry. Not a StorageError, because the outcome of
 * the operation is uncertain.
 */
export class DatabaseUnavailableError extends Error {
  readonly code = 'DATABASE_UNAVAILABLE';
  override readonly name = 'DatabaseUnavailableError';
  /** Whether the operation may have been executed nevertheless. */
  readonly inDoubt: boolean;
  constructor(
    message: string,
    { inDoubt = false, ...options }: ErrorOptions & { readonly inDoubt?: boolean } = {},
  ) {
    super(message, options);
    this.inDoubt = inDoubt;
  }
}

/** A text has characters that the database cannot store, such as NUL in PostgreSQL. The message is for the log. */
export class TextRefusedError extends Error {
  readonly code = 'TEXT_REFUSED';
  override readonly name = 'TextRefusedError';
}

/**
 * The storage does not answer, or answers incorrectly; the caller may retry later. Not a StorageError, because the
 * outcome of the operation is uncertain.
 */
export class StorageUnavailableError extends Error {
  readonly code = 'STORAGE_UNAVAILABLE';
  override readonly name = 'StorageUnavailableError';
}

/** Another process has taken over a lease, because its holder seemed to have stopped. */
export class LeaseLostError extends Error {
  constructor(name: string) {
    super(`another process has taken over the lease "${name}": this process was stopped for too long`);
    this.name = 'LeaseLostError';
  }
}
