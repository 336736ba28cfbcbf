import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { StorageUnavailableError } from '../../errors.ts';
import type { ByteRange } from '../blob-driver.ts';
import { NotThereError, translated } from './s3-errors.ts';

const CONTENT_TYPE = 'application/octet-stream';
/** Maximum keys of one DeleteObjects. */
const MOST_DELETED = 1_000;

export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly modifiedAt: Date;
}

export interface ListedMultipart {
  readonly key: string;
  readonly multipartId: string;
  readonly begunAt: Date;
}

export interface NumberedPart {
  /** Counted from 1. */
  readonly number: number;
  /** Without quotes. */
  readonly etag: string;
}

/** Bytes of an object that does not change. */
export interface ObjectPart {
  readonly key: string;
  /** Size of the whole object. */
  readonly size: number;
  readonly range: ByteRange;
}

/** A faster way to read a large part of an object; undefined when it is not available for this part. */
export type BulkRead = (part: ObjectPart, signal?: AbortSignal) => Promise<Readable | undefined>;

export interface ListedPart extends NumberedPart {
  readonly storedAt: Date;
}

/**
 * The requests that the driver makes, in a form that all S3 servers understand: no conditions, no checksums beyond the
 * required ones. Throws NotThereError, StorageFullError, StorageUnavailableError, the signal's reason.
 */
export class S3Bucket {
  readonly name: string;
  readonly #client: S3Client;
  /** If undefined, `get` is used, as when the bulk read ends early or has no result. */
  readonly readInBulk: BulkRead | undefined;

  constructor(client: S3Client, name: string, readInBulk?: BulkRead) {
    this.#client = client;
    this.name = name;
    this.readInBulk = readInBulk;
  }

  async put(key: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const command = new PutObjectCommand({ ...this.#at(key), Body: body, ContentType: CONTENT_TYPE });
    await this.#run('PutObject', signal, (options) => this.#client.send(command, options));
  }

  /** Returns the object's bytes, or those in `range`, and the size of the whole object. */
  async get(
    key: string,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<{ readonly body: Readable; readonly size: number }> {
    const command = new GetObjectCommand({
      ...this.#at(key),
      ...(range && { Range: `bytes=${range.start}-${range.end}` }),
    });
    const answer = await this.#run('GetObject', signal, (options) => this.#client.send(command, options));
    const total = answer.ContentRange?.split('/')[1] ?? answer.ContentLength;
    return { body: answer.Body as Readable, size: Number(total) };
  }

  /** Returns the size of the object in bytes; undefined when it does not exist. */
  async sizeOf(key: string): Promise<number | undefined> {
    const command = new HeadObjectCommand(this.#at(key));
    const answer = await ifThere(
      this.#run('HeadObject', undefined, (options) => this.#client.send(command, options)),
    );
    return answer && (answer.ContentLength ?? 0);
  }

  /** Deletes objects, as many at a time as S3 accepts; no error when they do not exist. */
  async delete(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += MOST_DELETED) {
      const Objects = keys.slice(start, start + MOST_DELETED).map((Key) => ({ Key }));
      const command = new DeleteObjectsCommand({ Bucket: this.name, Delete: { Objects, Quiet: true } });
      const { Errors = [] } = await this.#run('DeleteObjects', undefined, (options) =>
        this.#client.send(command, options),
      );
      const [first] = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
      if (first === undefined) continue;
      throw new StorageUnavailableError(
        `DeleteObjects in the bucket ${this.name} failed for ${first.Key}: ${first.Code}: ${first.Message}`,
      );
    }
  }

  /** Lists objects in the order of their keys. */
  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ListedObject, void, undefined> {
    for (let token: string | undefined, more = true; more; ) {
      const command = new ListObjectsV2Command({
        Bucket: this.name,
        Prefix: prefix,
        ...(token !== undefined && { ContinuationToken: token }),
      });
      const page = await this.#run('ListObjectsV2', signal, (options) => this.#client.send(command, options));
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        signal?.throwIfAborted();
        if (Key === undefined || LastModified === undefined) continue;
        yield { key: Key, size: Size ?? 0, modifiedAt: LastModified };
      }
      token = page.NextContinuationToken;
      more = page.IsTruncated === true && token !== undefined;
    }
  }

  /** Copies within the server an object of at most 5 GiB. */
  async copy(from: string, to: string): Promise<void> {
    const command = new CopyObjectCommand({ ...this.#at(to), CopySource: this.#source(from) });
    await this.#run('CopyObject', undefined, (options) => this.#client.send(command, options));
  }

  /** Returns the id of the multipart upload. */
  async beginParts(key: string): Promise<string> {
    const command = new CreateMultipartUploadCommand({ ...this.#at(key), ContentType: CONTENT_TYPE });
    const answer = await this.#run('CreateMultipartUpload', undefined, (options) =>
      this.#client.send(command, options),
    );
    if (answer.UploadId === undefined) {
      throw new StorageUnavailableError(`CreateMultipartUpload in the bucket ${this.name} gave no id`);
    }
    return answer.UploadId;
  }

  /** Stores part `number`, counted from 1; returns its entity tag, without quotes. */
  async putPart(key: string, multipartId: string, number: number, body: Uint8Array): Promise<string> {
    const command = new UploadPartCommand({
      ...this.#at(key),
      UploadId: multipartId,
      PartNumber: number,
      Body: body,
    });
    const answer = await this.#run('UploadPart', undefined, (options) => this.#client.send(command, options));
    return bare(answer.ETag);
  }

  /** Copies a part from another object, within the server. */
  async copyPart(
    from: string,
    range: ByteRange,
    key: string,
    multipartId: string,
    number: number,
  ): Promise<string> {
    const command = new UploadPartCopyCommand({
      ...this.#at(key),
      UploadId: multipartId,
      PartNumber: number,
      CopySource: this.#source(from),
      CopySourceRange: `bytes=${range.start}-${range.end}`,
    });
    const answer = await this.#run('UploadPartCopy', undefined, (options) =>
      this.#client.send(command, options),
    );
    return bare(answer.CopyPartResult?.ETag);
  }

  /**
   * Joins parts into an object, atomically. Parts that are not listed are dropped, but Ceph refuses if there are any.
   */
  async joinParts(key: string, multipartId: string, parts: readonly NumberedPart[]): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      ...this.#at(key),
      UploadId: multipartId,
      MultipartUpload: {
        Parts: parts.map(({ number, etag }) => ({ ETag: `"${etag}"`, PartNumber: number })),
      },
    });
    await this.#run('CompleteMultipartUpload', undefined, (options) => this.#client.send(command, options));
  }

  /** Drops a multipart upload; no error when it does not exist. */
  async dropParts(key: string, multipartId: string): Promise<void> {
    const command = new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: multipartId });
    await ifThere(
      this.#run('AbortMultipartUpload', undefined, (options) => this.#client.send(command, options)),
    );
  }

  /** Lists unfinished multipart uploads. MinIO lists only those of a complete key, and drops them after a day. */
  async *listMultiparts(
    prefix: string,
    signal?: AbortSignal,
  ): AsyncGenerator<ListedMultipart, void, undefined> {
    for (let after: { KeyMarker: string; UploadIdMarker: string } | undefined, more = true; more; ) {
      const command = new ListMultipartUploadsCommand({ Bucket: this.name, Prefix: prefix, ...after });
      const page = await this.#run('ListMultipartUploads', signal, (options) =>
        this.#client.send(command, options),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        signal?.throwIfAborted();
        if (Key === undefined || UploadId === undefined) continue;
        yield { key: Key, multipartId: UploadId, begunAt: Initiated ?? new Date() };
      }
      more = page.IsTruncated === true && page.NextKeyMarker !== undefined;
      after = { KeyMarker: page.NextKeyMarker ?? '', UploadIdMarker: page.NextUploadIdMarker ?? '' };
    }
  }

  /** Lists the stored parts of a multipart upload, in order. */
  async *listParts(key: string, multipartId: string): AsyncGenerator<ListedPart, void, undefined> {
    for (let marker: string | undefined, more = true; more; ) {
      const command = new ListPartsCommand({
        ...this.#at(key),
        UploadId: multipartId,
        ...(marker !== undefined && { PartNumberMarker: marker }),
      });
      const page = await this.#run('ListParts', undefined, (options) => this.#client.send(command, options));
      for (const { PartNumber, ETag, LastModified } of page.Parts ?? []) {
        yield { number: Number(PartNumber), etag: bare(ETag), storedAt: LastModified ?? new Date(0) };
      }
      marker = page.NextPartNumberMarker;
      more = page.IsTruncated === true && marker !== undefined;
    }
  }

  #at(key: string) {
    return { Bucket: this.name, Key: key };
  }

  #source(key: string): string {
    return `${this.name}/${key}`;
  }

  async #run<Answer>(
    operation: string,
    signal: AbortSignal | undefined,
    send: (options: { readonly abortSignal?: AbortSignal }) => Promise<Answer>,
  ): Promise<Answer> {
    signal?.throwIfAborted();
    try {
      return await send(signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw translated(error, operation, this.name);
    }
  }
}

/** Returns undefined for a missing object; other errors are thrown. */
export async function ifThere<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof NotThereError) return undefined;
    throw error;
  }
}

/** Removes the quotes of an entity tag; Ceph returns some without them. */
function bare(etag: string | undefined): string {
  if (etag === undefined) throw new StorageUnavailableError('the S3 server gave no ETag for a part');
  return etag.replaceAll('"', '');
}
