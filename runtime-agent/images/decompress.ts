import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { asNobody } from '../../lib/linux/process/as-nobody.ts';
import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';

/** A filter of a layer's bytes. */
interface Filter {
  readonly input: Writable;
  readonly output: Readable;
  /** Resolves when it has ended successfully; for a child process the end of `output` does not show that. */
  readonly ended: Promise<void>;
}

const CHUNK = 1 << 20;
/** Maximum bytes of files for a program that writes none. */
const MAX_PIPED = 0;

/**
 * Yields the uncompressed bytes of a layer, in buffers of their own. Its source is always read to the end, even if
 * decompression fails, so that the source's own check is made. igzip, if installed, decompresses gzip: in half of
 * zlib's time, and on another core. Throws EngineError 'bad-request'.
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
      // A damaged stream may be a blob damaged in transit: the error of its own check comes first.
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

/** Writes all of `source`; after an early end of the filter it only reads on. */
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
    // The chunk's memory may be reused afterwards.
    await Promise.race([closed, new Promise<void>((resolve) => input.write(chunk, () => resolve()))]);
  }
  if (!input.destroyed) input.end();
}

/** A program that decompresses its stdin to its stdout. */
export interface Decompressor {
  /** For messages. */
  readonly name: string;
  /**
   * Returns the command that runs it as nobody, with limits on memory, processor time and, by SIGXFSZ, the size of a
   * written file. `path` is absolute.
   */
  command(fileSize: number): { readonly path: string; readonly args: readonly string[] };
}

/** Programs of this host; zlib replaces a missing one, but is slower. */
export type Decompressors = Readonly<Partial<Record<LayerCompression, Decompressor>>>;

/** Finds igzip and zstd. */
export async function findDecompressors(): Promise<Decompressors> {
  const [prlimit, setpriv, igzip, zstd] = await Promise.all(
    ['prlimit', 'setpriv', 'igzip', 'zstd'].map(findProgram),
  );
  if (prlimit === undefined || setpriv === undefined) return {};
  const bounded = (name: string, program: string, options: string): Decompressor => ({
    name,
    command: (fileSize) => asNobody({ prlimit, setpriv }, fileSize, [program, options]),
  });
  return {
    ...(igzip !== undefined && { gzip: bounded('igzip', igzip, '-dc') }),
    ...(zstd !== undefined && { zstd: bounded('zstd', zstd, '-dcq') }),
  };
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(':').filter(isAbsolute)) {
    try {
      await access(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES') throw error;
    }
  }
  return undefined;
}

export type LayerCompression = 'gzip' | 'zstd';

/** A layer's blob whose first bytes were examined. */
export interface BlobContent {
  readonly compression: LayerCompression | undefined;
  /** The whole content, including those bytes. */
  readonly content: AsyncIterable<Uint8Array>;
}

const MAGIC = { gzip: [0x1f, 0x8b], zstd: [0x28, 0xb5, 0x2f, 0xfd] } as const;

/**
 * Determines the compression of a layer: its content decides, and the media type if it names a compression. Throws
 * EngineError 'bad-request' if these contradict each other, after reading `source` to its end, so that the source's own
 * check is made.
 */
export async function readCompression(
  blob: { readonly digest: Digest; readonly mediaType: string },
  source: AsyncIterable<Uint8Array>,
): Promise<BlobContent> {
  const iterator = source[Symbol.asyncIterator]();
  const head = await readHead(iterator);
  const content = rest(head, iterator);
  const compression = compressionOf(head);
  const stated = /[.+](gzip|zstd)$/.exec(blob.mediaType)?.[1];
  if (compression !== undefined || stated === undefined) return { compression, content };
  for await (const _ of content);
  throw new EngineError(
    'bad-request',
    `layer ${blob.digest} is broken: it is declared as ${stated}, but is not`,
  );
}

async function readHead(iterator: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < MAGIC.zstd.length) {
    const step = await iterator.next();
    if (step.done === true) break;
    head = Buffer.concat([head, step.value]);
  }
  return head;
}

async function* rest(head: Buffer, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (;;) {
      const step = await iterator.next();
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    await iterator.return?.();
  }
}

function compressionOf(head: Buffer): LayerCompression | undefined {
  const begins = (magic: readonly number[]) => magic.every((byte, index) => head[index] === byte);
  return begins(MAGIC.gzip) ? 'gzip' : begins(MAGIC.zstd) ? 'zstd' : undefined;
}
