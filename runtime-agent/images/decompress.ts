import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Digest } from '../../storage/oci/digest.ts';
import { EngineError } from '../errors.ts';

/** What a layer goes through: bytes in, other bytes out. */
interface Filter {
  readonly input: Writable;
  readonly output: Readable;
  /** Resolves when it has ended well; `output` alone does not tell with a child process. */
  readonly ended: Promise<void>;
}

const CHUNK = 1 << 20;
const MAGIC = { gzip: [0x1f, 0x8b], zstd: [0x28, 0xb5, 0x2f, 0xfd] } as const;

/**
 * The uncompressed bytes of a layer, gzip, zstd or none. The content decides, and the media type where that says it
 * is compressed. `source` is read to its end whatever the compression makes of it, so that its own check is made.
 * `igzip` is used where it is installed: half of zlib's time, and on another core. Throws EngineError 'bad-request'.
 */
export async function* decompress(
  blob: { readonly digest: Digest; readonly mediaType: string },
  source: AsyncIterable<Uint8Array>,
  options: { readonly igzip: boolean },
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  const head = await readHead(iterator);
  const content = rest(head, iterator);
  const format = formatOf(head);
  if (format === undefined) {
    const stated = /[.+](gzip|zstd)$/.exec(blob.mediaType)?.[1];
    if (stated === undefined) {
      yield* content;
      return;
    }
    for await (const _ of content);
    throw new EngineError(
      'bad-request',
      `layer ${blob.digest} is broken: it is said to be ${stated} and is not`,
    );
  }
  const filter = format === 'zstd' ? zlibFilter(createZstdDecompress({ chunkSize: CHUNK })) : gunzip(options);
  yield* through(filter, content, (error) => {
    return new EngineError(
      'bad-request',
      `layer ${blob.digest} is broken: its ${format} content is damaged: ${error.message}`,
      { cause: error },
    );
  });
}

function gunzip({ igzip }: { readonly igzip: boolean }): Filter {
  return igzip ? childFilter('igzip', ['-dc']) : zlibFilter(createGunzip({ chunkSize: CHUNK }));
}

function zlibFilter(stream: Readable & Writable): Filter {
  return { input: stream, output: stream, ended: Promise.resolve() };
}

function childFilter(program: string, args: readonly string[]): Filter {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < 1000) complaint += chunk.toString('utf8');
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(complaint.trim() || `${program} ended with ${signal ?? code}`));
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
    if (!input.write(chunk)) {
      await Promise.race([closed, new Promise((resolve) => input.once('drain', resolve))]);
    }
  }
  if (!input.destroyed) input.end();
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

function formatOf(head: Buffer): 'gzip' | 'zstd' | undefined {
  const begins = (magic: readonly number[]) => magic.every((byte, index) => head[index] === byte);
  return begins(MAGIC.gzip) ? 'gzip' : begins(MAGIC.zstd) ? 'zstd' : undefined;
}
