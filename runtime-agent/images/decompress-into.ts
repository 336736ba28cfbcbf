import { fstatSync, write } from 'node:fs';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { type FedProcess, spawnFed } from '../../lib/linux/process/spawn-fed.ts';
import type { Digest } from '../../oci/digest.ts';
import { damagedLayer } from './decompress.ts';
import type { Decompressor } from './decompressors.ts';
import { layerTooLarge } from './limited-layer.ts';
import type { LayerCompression } from './read-compression.ts';

export interface DecompressRequest {
  readonly decompressor: Decompressor;
  readonly compression: LayerCompression;
  readonly digest: Digest;
  readonly content: AsyncIterable<Uint8Array>;
  /** A descriptor of an empty file. */
  readonly fd: number;
  /** Bytes that the file may get. */
  readonly limit: number;
  readonly grown: () => void;
  readonly signal: AbortSignal;
}

/** Compressed bytes after which the file is said to have grown; less costs more than it brings. */
const GROWN_EVERY = 512 << 10;
/** 128 and SIGXFSZ. */
const TOO_LARGE = 153;
/** What igzip and zstd say of a file that does not take their output. */
const CANNOT_WRITE = /writing to file|write error/i;
/** More than what can be left of a full disk when a program could not write a buffer to it. */
const PROBE = 4 << 20;

/**
 * Lets a program write the uncompressed layer into a file by itself: LayerContent.writeInto. `content` is read to its end also
 * when the program has failed, so that its own check is made and its failure told first; except where the file gets too large.
 * Throws EngineError 'bad-request', the signal's reason, what `content` and the device fail with.
 */
export async function decompressInto(request: DecompressRequest): Promise<void> {
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
    // What is to run it as nobody has failed: no fault of the layer's.
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

/** Resolves when all of a chunk is in the pipe, or nobody reads it any more. */
function writeTo(stdin: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (stdin.destroyed) resolve();
    else stdin.write(chunk, () => resolve());
  });
}

/** Not each program says why it could not write: the device says it to whoever tries the same. */
async function failToWrite(fd: number, program: string): Promise<never> {
  await promisify(write)(fd, Buffer.alloc(PROBE), 0, PROBE, fstatSync(fd).size);
  throw new Error(`${program} could not write a layer, which there is room for now: pull the image again`);
}
