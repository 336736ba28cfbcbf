import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';
import type { Decompressor, Decompressors } from './decompressors.ts';
import type { BlobContent, LayerCompression } from './read-compression.ts';

/** What a layer goes through: bytes in, other bytes out. */
interface Filter {
  readonly input: Writable;
  readonly output: Readable;
  /** Resolves when it has ended well; `output` alone does not tell with a child process. */
  readonly ended: Promise<void>;
}

const CHUNK = 1 << 20;
/** Bytes of files that a program writes which writes none. */
const MAX_PIPED = 0;

/**
 * The uncompressed bytes of a layer, in memory of their own. What it is made from is read to its end whatever the compression makes of it, so that its
 * own check is made. Where there is igzip it is used for gzip: half of zlib's time, and on another core. Throws
 * EngineError 'bad-request'.
 */
export async function* decompress(
  blob: { readonly digest: Digest },
  { compression, content }: BlobContent,
  decompressors: Decompressors,
): AsyncGenerator<Uint8Array> {
  if (compression === undefined) {
    for await (const chunk of content) yield Buffer.from(chunk);
    return;
  }
  const filter =
    compression === 'zstd' ? zlibFilter(createZstdDecompress({ chunkSize: CHUNK })) : gunzip(decompressors);
  yield* through(filter, content, (error) => damagedLayer(blob.digest, compression, error));
}

/** The failure of a layer that cannot be decompressed. */
export function damagedLayer(digest: Digest, compression: LayerCompression, cause: Error): EngineError {
  return new EngineError(
    'bad-request',
    `layer ${digest} is broken: its ${compression} content is damaged: ${cause.message}`,
    { cause },
  );
}

function gunzip({ gzip }: Decompressors): Filter {
  return gzip === undefined ? zlibFilter(createGunzip({ chunkSize: CHUNK })) : childFilter(gzip);
}

function zlibFilter(stream: Readable & Writable): Filter {
  return { input: stream, output: stream, ended: Promise.resolve() };
}

function childFilter({ name, command }: Decompressor): Filter {
  const { path, args } = command(MAX_PIPED);
  const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < 1000) complaint += chunk.toString('utf8');
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(complaint.trim() || `${name} ended with ${signal ?? code}`));
    });
  });
  ended.catch(() => undefined);
  return { input: child.stdin, output: child.stdout, ended };
}

async function* through(
  filter: Filter,
  source: AsyncIterable<Uint8Array>,
  describe: (error: Error) => Error,
): AsyncGenerator<Uint8Array> {
  const { input, output, ended } = filter;
  let sourceError: { readonly error: unknown } | undefined;
  let stopped = false;
  const feeding = feed(source, input, () => stopped).catch((error: unknown) => {
    sourceError = { error };
    output.destroy();
    input.destroy();
  });
  try {
    try {
      for await (const chunk of output) yield chunk as Buffer;
      await ended;
    } catch (error) {
      // A damaged stream may be a blob that was damaged on its way: what its own check says is said first.
      await feeding;
      if (sourceError !== undefined) throw sourceError.error;
      throw describe(error as Error);
    }
    await feeding;
    if (sourceError !== undefined) throw sourceError.error;
  } finally {
    stopped = true;
    input.destroy();
    output.destroy();
  }
}

/** Writes all of `source`; goes on reading it, though not writing, when the filter has ended early. */
async function feed(
  source: AsyncIterable<Uint8Array>,
  input: Writable,
  stopped: () => boolean,
): Promise<void> {
  const closed = new Promise<void>((resolve) => input.once('close', resolve));
  input.on('error', () => undefined);
  for await (const chunk of source) {
    if (stopped()) return;
    if (input.destroyed || input.writableEnded) continue;
    // The chunk's memory may be used again afterwards.
    await Promise.race([closed, new Promise<void>((resolve) => input.write(chunk, () => resolve()))]);
  }
  if (!input.destroyed) input.end();
}
