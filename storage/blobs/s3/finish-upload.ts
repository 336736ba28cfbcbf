import { UploadUnknownError } from '../../errors.ts';
import type { DriverUpload } from '../blob-driver.ts';
import { copyParts } from './copy-object.ts';
import { readInto } from './object-reader.ts';
import type { PartStore } from './part-store.ts';
import { ifThere, type NumberedPart } from './s3-bucket.ts';
import { NotThereError } from './s3-errors.ts';
import type { PartedObject, UploadDetail } from './upload-detail.ts';

const EMPTY = 'empty';
/** Suffix of the name of an object that is the start of another one. */
const CUT = 'cut';

/**
 * Combines an upload's bytes into one object, without copying any, and returns its name in the upload's group.
 * Idempotent, also after an interruption. Throws UploadUnknownError when S3 has lost parts; the only object of a small
 * upload is not checked.
 */
export async function finishUpload(
  store: PartStore,
  { id, size }: DriverUpload,
  detail: UploadDetail,
): Promise<string> {
  const { object, tail } = detail;
  const { bucket, keys } = store;
  if (object === undefined) {
    if (tail !== undefined) return tail.name;
    await bucket.put(keys.group(id) + EMPTY, new Uint8Array(0));
    return EMPTY;
  }
  const key = keys.group(id) + object.name;
  try {
    await bucket.joinParts(key, object.multipartId, [
      ...numbered(object.etags),
      ...(await putLast(store, detail, key, object.multipartId)),
    ]);
    return object.name;
  } catch (error) {
    // An earlier attempt may have succeeded: its answer was lost, or another process made it.
    const present = await bucket.sizeOf(key);
    if (present === size) return object.name;
    if ((await bucket.sizeOf(`${key}${CUT}`)) === size) return `${object.name}${CUT}`;
    if (present !== undefined && present < object.etags.length * object.partSize) {
      throw new UploadUnknownError(`the upload ${id} has lost bytes: start it again`, { cause: error });
    }
    const parts =
      present === undefined ? await ifThere(Array.fromAsync(bucket.listParts(key, object.multipartId))) : [];
    if (parts === undefined) throw new UploadUnknownError(`there is no upload ${id}`, { cause: error });
    if (!(error instanceof NotThereError)) throw error;
    return finishWithoutRest(store, detail, object, parts);
  }
}

/**
 * Finishes an upload whose failed append has left parts beyond its end. Ceph requires all parts in the object: this
 * makes an object with them, and copies its beginning within S3 to another one.
 */
async function finishWithoutRest(
  store: PartStore,
  detail: UploadDetail,
  object: PartedObject,
  parts: readonly NumberedPart[],
): Promise<string> {
  const { bucket, keys, memory } = store;
  const { id } = detail;
  const { multipartId, etags, partSize } = object;
  const from = keys.group(id) + object.name;
  const name = `${object.name}${CUT}`;
  const to = keys.group(id) + name;
  if (parts.length > 0) {
    if (etags.some((etag, index) => parts[index]?.etag !== etag)) {
      throw new UploadUnknownError(`the upload ${id} has lost bytes: start it again`);
    }
    // Only the last part may be small, but the upload's own last one is now among the others.
    const filler = await memory.acquire();
    try {
      filler.fill(0);
      const number = etags.length + 1;
      const etag = await bucket.putPart(from, multipartId, number, filler.subarray(0, partSize));
      const rest = parts.filter((part) => part.number > number);
      await bucket.joinParts(from, multipartId, [...numbered(etags), { number, etag }, ...rest]);
    } finally {
      memory.release(filler);
    }
  }
  const copyId = await bucket.beginParts(to);
  const copied = await copyParts(
    bucket,
    { from, size: etags.length * partSize, partSize },
    { to, multipartId: copyId },
  );
  await bucket.joinParts(to, copyId, [...copied, ...(await putLast(store, detail, to, copyId))]);
  return name;
}

/** Uploads the tail as the last part, the only one that may be smaller. */
async function putLast(
  { bucket, keys, memory }: PartStore,
  { id, tail, object }: UploadDetail,
  key: string,
  multipartId: string,
): Promise<readonly NumberedPart[]> {
  if (tail === undefined) return [];
  const buffer = await memory.acquire();
  try {
    await readInto(buffer, bucket, { key: keys.group(id) + tail.name, size: tail.size }, undefined);
    const number = (object?.etags.length ?? 0) + 1;
    return [{ number, etag: await bucket.putPart(key, multipartId, number, buffer.subarray(0, tail.size)) }];
  } finally {
    memory.release(buffer);
  }
}

function numbered(etags: readonly string[]): readonly NumberedPart[] {
  return etags.map((etag, index) => ({ number: index + 1, etag }));
}
