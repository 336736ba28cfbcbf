import { fstatSync, write } from 'node:fs';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type FedProcess, spawnFed } from '../../lib/linux/process/posix-spawn.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import { EngineError } from '../errors.ts';
import type { LayerContent } from '../snapshots/layer-store.ts';
import {
  type BlobContent,
  type Decompressor,
  type Decompressors,
  damagedLayer,
  decompress,
  type LayerCompression,
  readCompression,
} from './decompress.ts';

export interface OpenLayerOptions {
  readonly decompressors: Decompressors;
  /** Maximum bytes of an uncompressed layer. */
  readonly layerLimit: number;
}

/** Maximum bytes of a gzip blob that is decompressed in memory, which takes less time than starting a program. */
export const MAX_SMALL_BLOB = 256 << 10;
/** Maximum bytes of its tar, which is digested in one turn of the event loop. */
const MAX_SMALL_TAR = 1 << 20;

/**
 * Returns the tar of a layer from its blob: gzip, zstd or plain. Throws EngineError 'bad-request', also while its
 * content is read.
 */
export async function openLayer(
  blob: Pick<Descriptor, 'digest' | 'mediaType' | 'size'>,
  source: AsyncIterable<Uint8Array>,
  { decompressors, layerLimit: limit }: OpenLayerOptions,
): Promise<LayerContent> {
  const read = await readCompression(blob, source);
  const isSmall = read.compression === 'gzip' && blob.size <= MAX_SMALL_BLOB;
  const opened = isSmall ? await openSmall(blob, read) : read;
  const { content, compression } = opened;
  const decompressor = compression && decompressors[compression];
  const tar = limitedLayer(decompress(blob, opened, decompressors), limit);
  const iterate = () => tar[Symbol.asyncIterator]();
  if (isSmall && compression === undefined) return { [Symbol.asyncIterator]: iterate };
  return {
    [Symbol.asyncIterator]: iterate,
    writeInto: (fd, grown, signal) => {
      if (compression === undefined || decompressor === undefined) return writeLayer(tar, fd, grown, signal);
      const { digest } = blob;
      return decompressInto({ decompressor, compression, digest, content, fd, limit, grown, signal });
    },
  };
}

/**
 * Returns the tar of a gzip blob if it is small too, otherwise the blob. Throws EngineError 'bad-request', and errors
 * of `content`.
 */
async function openSmall(
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  { compression, content }: BlobContent,
): Promise<BlobContent> {
  const bytes = Buffer.alloc(size);
  let length = 0;
  // The memory of a chunk may be reused. `content` refuses more bytes than stated at its end.
  for await (const chunk of content) {
    bytes.set(chunk.subarray(0, size - length), length);
    length = Math.min(size, length + chunk.length);
  }
  try {
    const tar = await promisify(gunzip)(bytes, { maxOutputLength: MAX_SMALL_TAR });
    return { compression: undefined, content: single(tar) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
      throw damagedLayer(digest, 'gzip', error as Error);
    return { compression, content: single(bytes) };
  }
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const writeAt = promisify(write);

/** Writes a layer into the descriptor of an empty file: LayerContent.writeInto. Throws as `tar` and the device do. */
async function writeLayer(
  tar: AsyncIterable<Uint8Array>,
  fd: number,
  grown: () => void,
  signal: AbortSignal,
): Promise<void> {
  let position = 0;
  for await (const chunk of tar) {
    signal.throwIfAborted();
    for (let offset = 0; offset < chunk.length; ) {
      const { bytesWritten } = await writeAt(fd, chunk, offset, chunk.length - offset, position);
      offset += bytesWritten;
      position += bytesWritten;
    }
    grown();
  }
  signal.throwIfAborted();
}

interface DecompressRequest {
  readonly decompressor: Decompressor;
  readonly compression: LayerCompression;
  readonly digest: Digest;
  readonly content: AsyncIterable<Uint8Array>;
  /** A descriptor of an empty file. */
  readonly fd: number;
  /** Maximum bytes of the file. */
  readonly limit: number;
  readonly grown: () => void;
  readonly signal: AbortSignal;
}

/** Compressed bytes between reports of growth; more frequent ones cost more than they save. */
const GROWN_EVERY = 512 << 10;
/** Exit code of a program killed by SIGXFSZ: 128 and its number. */
const TOO_LARGE = 153;
/** Messages of igzip and zstd about a file that cannot be written. */
const CANNOT_WRITE = /writing to file|write error/i;
/**
 * Bytes of a test write: more than the space that can be left on a full disk when a program failed to write a buffer.
 */
const PROBE = 4 << 20;

/**
 * Makes a program write the uncompressed layer into a file: LayerContent.writeInto. `content` is read to its end even
 * when the program has failed, so that its own check is made and its error comes first; except if the file gets too
 * large. Throws EngineError 'bad-request', the signal's reason, errors of `content` and the device.
 */
async function decompressInto(request: DecompressRequest): Promise<void> {
  const { decompressor, compression, digest, fd, limit, signal } = request;
  const { name, command } = decompressor;
  const { path, args } = command(limit);
  signal.throwIfAborted();
  const child = spawnFed(path, args, { env: {}, output: fd });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < 1000) complaint += chunk.toString('utf8');
  });
  signal.addEventListener('abort', child.kill, { once: true });
  try {
    await feed(child, request);
    const code = await child.exit;
    signal.throwIfAborted();
    if (code === 0) return;
    if (code === TOO_LARGE) throw layerTooLarge(limit);
    if (CANNOT_WRITE.test(complaint)) await failToWrite(fd, name);
    // The wrapper that runs it as nobody has failed, not the layer.
    if (/^(setpriv|prlimit): /.test(complaint)) throw new Error(`${name} cannot be run: ${complaint.trim()}`);
    throw damagedLayer(digest, compression, new Error(complaint.trim() || `${name} ended with ${code}`));
  } finally {
    signal.removeEventListener('abort', child.kill);
    child.kill();
    child.stdin.destroy();
    await child.exit;
  }
}

async function feed({ stdin, exit }: FedProcess, { content, grown }: DecompressRequest): Promise<void> {
  let isTooLarge = false;
  exit.then(
    (code) => {
      isTooLarge = code === TOO_LARGE;
    },
    () => undefined,
  );
  let unsaid = 0;
  for await (const chunk of content) {
    if (isTooLarge) return;
    await writeTo(stdin, chunk);
    unsaid += chunk.length;
    if (unsaid < GROWN_EVERY) continue;
    unsaid = 0;
    grown();
  }
  stdin.end();
}

/** Resolves when a whole chunk is in the pipe, or the reader has gone. */
function writeTo(stdin: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (stdin.destroyed) resolve();
    else stdin.write(chunk, () => resolve());
  });
}

/** Repeats a failed write to get the device's error, because not every program reports it. */
async function failToWrite(fd: number, program: string): Promise<never> {
  await promisify(write)(fd, Buffer.alloc(PROBE), 0, PROBE, fstatSync(fd).size);
  throw new Error(`${program} could not write a layer, but there is room for it now: pull the image again`);
}

/**
 * Passes on a layer's uncompressed bytes up to `limit`: a few kilobytes of gzip can expand to gigabytes. Throws
 * EngineError 'bad-request' beyond it.
 */
export async function* limitedLayer(
  tar: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of tar) {
    size += chunk.length;
    if (size > limit) throw layerTooLarge(limit);
    yield chunk;
  }
}

/** The error for a layer that exceeds the maximum size. */
function layerTooLarge(limit: number): EngineError {
  return new EngineError(
    'bad-request',
    `a layer of the image has more than ${limit} bytes uncompressed: start the agent with a larger --layer-limit if it may`,
  );
}
