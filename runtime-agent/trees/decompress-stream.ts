import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { asNobody } from '../../lib/linux/process/as-nobody.ts';
import { EngineError, isEngineError } from '../errors.ts';

export type Compression = 'gzip' | 'zstd' | 'xz' | 'bzip2';

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];
/** Bytes that identify a compression. */
export const COMPRESSION_HEAD = 6;
const CHUNK = 1 << 20;

export function compressionOf(head: Uint8Array): Compression | undefined {
  return MAGIC.find(([, magic]) => magic.every((byte, index) => head[index] === byte))?.[0];
}

/**
 * Decompresses a client's stream, or passes uncompressed bytes on; the content decides. xz and bzip2 are decompressed
 * by the programs of that name, run as nobody. Throws EngineError 'bad-request' for damaged content.
 */
export async function* decompressStream(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < COMPRESSION_HEAD) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  const content = rest(head, iterator);
  const compression = compressionOf(head);
  if (compression === undefined) {
    yield* content;
    return;
  }
  const filter =
    compression === 'gzip'
      ? withStream(createGunzip({ chunkSize: CHUNK }))
      : compression === 'zstd'
        ? withStream(createZstdDecompress({ chunkSize: CHUNK }))
        : withProgram(compression);
  const fed = pipeline(Readable.from(content, { objectMode: false, signal }), filter.input);
  // The reader of the output gets the failure.
  fed.catch(() => undefined);
  try {
    for await (const chunk of filter.output) yield chunk as Uint8Array;
    await filter.ended;
    await fed;
  } catch (error) {
    signal.throwIfAborted();
    if (isEngineError(error)) throw error;
    throw new EngineError('bad-request', `the ${compression} data are damaged: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    filter.stop();
  }
}

async function* rest(head: Buffer, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}

interface Filter {
  readonly input: NodeJS.WritableStream;
  readonly output: AsyncIterable<unknown>;
  readonly ended: Promise<void>;
  stop(): void;
}

function withStream(stream: ReturnType<typeof createGunzip>): Filter {
  return { input: stream, output: stream, ended: Promise.resolve(), stop: () => stream.destroy() };
}

/** With one thread, because more threads may need memory beyond the limits. */
const OPTIONS = { xz: ['-dc', '--threads=1'], bzip2: ['-dc'] } as const;
const CONFINERS = { prlimit: 'prlimit', setpriv: 'setpriv' };
/** Messages of prlimit and setpriv about a missing program. */
const MISSING = /^(?:prlimit|setpriv): failed to execute ([a-z0-9]+): No such file/;

function withProgram(program: 'xz' | 'bzip2'): Filter {
  const { path, args } = asNobody(CONFINERS, 0, [program, ...OPTIONS[program]]);
  const child = spawn(path, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < 2000) stderr += chunk.toString('utf8');
  });
  const unreadable = (why: string, cause?: Error) =>
    new EngineError('bad-request', `${program} data cannot be read: ${why}`, { cause });
  const notInstalled = (name: string) => `the program ${name} is not installed on this host`;
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      reject(unreadable(cause.code === 'ENOENT' ? notInstalled(path) : cause.message, cause));
    });
    child.once('close', (code) => {
      const missing = MISSING.exec(stderr)?.[1];
      if (code === 0) resolve();
      else if (missing !== undefined) reject(unreadable(notInstalled(missing)));
      else reject(new Error(stderr.trim() || `${program} ended with ${code}`));
    });
  });
  ended.catch(() => undefined);
  return { input: child.stdin, output: child.stdout, ended, stop: () => child.kill('SIGKILL') };
}
