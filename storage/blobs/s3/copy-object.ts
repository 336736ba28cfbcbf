import type { PartStore } from './part-store.ts';
import type { NumberedPart, S3Bucket } from './s3-bucket.ts';

const COPIES_AT_ONCE = 4;

/** Copies an object of any size within S3; on failure it drops the partial copy. Throws NotThereError. */
export async function copyObject(
  { bucket, copyLimits }: Pick<PartStore, 'bucket' | 'copyLimits'>,
  from: string,
  size: number,
  to: string,
): Promise<void> {
  if (size <= copyLimits.whole) {
    await bucket.copy(from, to);
    return;
  }
  const multipartId = await bucket.beginParts(to);
  try {
    const parts = await copyParts(bucket, { from, size, partSize: copyLimits.part }, { to, multipartId });
    await bucket.joinParts(to, multipartId, parts);
  } catch (error) {
    await bucket.dropParts(to, multipartId).catch(() => {});
    throw error;
  }
}

/** Copies the first `size` bytes of an object, within S3, into the first parts of a multipart upload. */
export async function copyParts(
  bucket: S3Bucket,
  { from, size, partSize }: { readonly from: string; readonly size: number; readonly partSize: number },
  { to, multipartId }: { readonly to: string; readonly multipartId: string },
): Promise<readonly NumberedPart[]> {
  const parts: NumberedPart[] = [];
  const copy = async (start: number) => {
    const range = { start, end: Math.min(size, start + partSize) - 1 };
    const number = start / partSize + 1;
    return { number, etag: await bucket.copyPart(from, range, to, multipartId, number) };
  };
  const starts = Array.from({ length: Math.ceil(size / partSize) }, (_, index) => index * partSize);
  for (let first = 0; first < starts.length; first += COPIES_AT_ONCE) {
    parts.push(...(await Promise.all(starts.slice(first, first + COPIES_AT_ONCE).map(copy))));
  }
  return parts;
}
