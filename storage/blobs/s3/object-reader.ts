import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { ContentDamagedError, StorageUnavailableError } from '../../errors.ts';
import type { ObjectPart, S3Bucket } from './s3-bucket.ts';
import { NotThereError } from './s3-errors.ts';

/** Maximum consecutive attempts without any byte. */
const MOST_TRIES = 5;

/**
 * Reads a part of an object, and waits for the first answer. A body that breaks off or stalls is requested again from
 * that position. Throws NotThereError, StorageUnavailableError, ContentDamagedError when the object has another size,
 * the signal's reason.
 */
export async function openObject(
  bucket: S3Bucket,
  part: ObjectPart,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  return bodyOf(bucket, part, await request(bucket, part, part.range.start, signal), signal);
}

async function request(
  bucket: S3Bucket,
  { key, size, range }: ObjectPart,
  start: number,
  signal: AbortSignal | undefined,
): Promise<Readable> {
  const rest = { start, end: range.end };
  const isWhole = start === 0 && range.end === size - 1;
  const inBulk = await bucket.readInBulk?.({ key, size, range: rest }, signal);
  const answer =
    inBulk === undefined ? await bucket.get(key, isWhole ? undefined : rest, signal) : { body: inBulk, size };
  // A reader that gives up before reading must not cause an unhandled error.
  answer.body.on('error', () => {});
  const stop = () => answer.body.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  answer.body.once('close', () => signal?.removeEventListener('abort', stop));
  if (answer.size === size) return answer.body;
  answer.body.destroy();
  throw new ContentDamagedError(
    `the object ${key} has ${answer.size} bytes instead of ${size}: it is damaged`,
  );
}

async function* bodyOf(
  bucket: S3Bucket,
  part: ObjectPart,
  first: Readable,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  let position = part.range.start;
  let body = first;
  for (let tries = 0; ; ) {
    signal?.throwIfAborted();
    let failure: unknown;
    try {
      for await (const chunk of body) {
        signal?.throwIfAborted();
        position += chunk.byteLength;
        tries = 0;
        yield chunk;
        signal?.throwIfAborted();
      }
    } catch (error) {
      signal?.throwIfAborted();
      failure = error;
    } finally {
      body.destroy();
    }
    if (position === part.range.end + 1) return;
    tries += 1;
    if (tries > MOST_TRIES || position > part.range.end + 1) {
      throw new StorageUnavailableError(`the object ${part.key} broke off at byte ${position}`, {
        cause: failure,
      });
    }
    await sleep(50 * 2 ** tries, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
    try {
      body = await request(bucket, part, position, signal);
    } catch (cause) {
      if (!(cause instanceof NotThereError)) throw cause;
      throw new StorageUnavailableError(`the object ${part.key} was deleted while it was read`, { cause });
    }
  }
}

/** Reads a whole object of `size` bytes into `buffer`. Throws as openObject does. */
export async function readInto(
  buffer: Buffer,
  bucket: S3Bucket,
  { key, size }: Omit<ObjectPart, 'range'>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let position = 0;
  const whole = { key, size, range: { start: 0, end: size - 1 } };
  for await (const chunk of await openObject(bucket, whole, signal)) {
    buffer.set(chunk, position);
    position += chunk.byteLength;
  }
}
