import { UploadUnknownError } from '../../errors.ts';
import type { DriverUpload } from '../blob-driver.ts';
import { isUploadId } from './object-keys.ts';

/** A multipart upload of S3 that has begun. */
export interface PartedObject {
  readonly name: string;
  /** S3's ID of the multipart upload. */
  readonly multipartId: string;
  /** Bytes of each part. */
  readonly partSize: number;
  /** Entity tags of the stored parts, in order. */
  readonly etags: readonly string[];
}

/** An object with the bytes that do not fill a part. */
export interface Tail {
  readonly name: string;
  /** Size in bytes, less than a part. */
  readonly size: number;
}

/** State of an upload besides its size: its bytes are the parts, followed by the tail. */
export interface UploadDetail {
  readonly id: string;
  /** Time when its bytes were last made durable, by this registry's clock: milliseconds since 1970. */
  readonly at: number;
  readonly object?: PartedObject;
  readonly tail?: Tail;
  /** Names of objects that belonged to the previous state. They are deleted when this state is certainly recorded. */
  readonly stale: readonly string[];
}

export function emptyDetail(id: string): UploadDetail {
  return { id, at: Date.now(), stale: [] };
}

/** Encodes the detail. Entity tags are long, and there may be thousands: they are joined. */
export function encodeDetail(detail: UploadDetail): string {
  const { object } = detail;
  return JSON.stringify({
    ...detail,
    ...(object && { object: { ...object, etags: object.etags.join(' ') } }),
  });
}

/** Throws UploadUnknownError when a driver of this kind did not make the upload's detail. */
export function parseDetail(upload: DriverUpload): UploadDetail {
  const detail = decode(upload.detail);
  if (detail === undefined || detail.id !== upload.id || !isUploadId(upload.id)) {
    throw new UploadUnknownError(`there is no upload ${upload.id}`);
  }
  const { object, tail } = detail;
  const size = (object === undefined ? 0 : object.etags.length * object.partSize) + (tail?.size ?? 0);
  if (size !== upload.size) {
    throw new UploadUnknownError(
      `the upload ${upload.id} has ${size} bytes, not ${upload.size}: start it again`,
    );
  }
  return detail;
}

function decode(text: string): UploadDetail | undefined {
  if (text === '') return undefined;
  const { object, ...rest } = JSON.parse(text);
  if (object === undefined) return rest;
  return { ...rest, object: { ...object, etags: object.etags === '' ? [] : object.etags.split(' ') } };
}
