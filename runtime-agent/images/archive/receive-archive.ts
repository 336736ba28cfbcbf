import { createHash } from 'node:crypto';
import { hasValidChecksum } from '../../../lib/tar/tar-header.ts';
import type { TarEntry } from '../../../lib/tar/tar-parser.ts';
import type { Digest } from '../../../oci/digest.ts';
import { MAX_CONFIG_SIZE } from '../../../oci/image-config.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import { compressionOf, decompressStream } from '../../trees/decompress-stream.ts';
import type { PendingImage } from '../pending/pending-images.ts';
import { type ArchiveFile, ArchiveFiles, cleanPath } from './archive-files.ts';
import type { LoadProgress } from './image-archives.ts';
import { tarEntries } from './tar-entries.ts';

/** Maximum bytes of all small files of an archive together. */
const MAX_SMALL = 64 << 20;
const HEAD = 512;

/**
 * Reads an archive in one pass: adds layers to the pending image, keeps small files in memory, skips the rest. Files
 * that describe the images may come last. Throws EngineError 'bad-request', 'storage-full'.
 */
export async function receiveArchive(
  archive: AsyncIterable<Uint8Array>,
  pending: PendingImage,
  progress: (step: LoadProgress) => void,
  signal: AbortSignal,
): Promise<ArchiveFiles> {
  const files = new ArchiveFiles();
  let small = 0;
  for await (const { entry, body } of tarEntries(decompressStream(archive, signal), signal)) {
    const path = pathOf(entry);
    if (entry.kind === 'symlink') {
      const folder = path.split('/').slice(0, -1).join('/');
      files.link(path, `${folder}/${utf8(entry.target)}`);
    } else if (entry.kind === 'hardlink') files.link(path, utf8(entry.target));
    else if (entry.kind === 'file') {
      const content = peekable(body);
      const head = await content.peek(HEAD);
      const raw = new Hashed(content.rest(), rawAlgorithm(path));
      if (compressionOf(head) !== undefined || isTarHead(head)) {
        files.add(path, await receiveLayer(raw, path, pending, signal));
        const { diffId } = files.get(path);
        if (diffId !== undefined) {
          progress({ kind: 'layer', id: diffId.slice(7, 19), current: entry.size, total: entry.size });
        }
      } else {
        const keeps = entry.size <= MAX_CONFIG_SIZE;
        small += keeps ? entry.size : 0;
        if (small > MAX_SMALL) throw new EngineError('bad-request', 'the archive has too many small files');
        files.add(path, await receiveSmall(raw, keeps));
      }
    }
  }
  return files;
}

async function receiveSmall(raw: Hashed, keeps: boolean): Promise<ArchiveFile> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of raw.read()) if (keeps) chunks.push(chunk);
  return { ...raw.finish(), ...(keeps && { bytes: Buffer.concat(chunks) }) };
}

async function receiveLayer(
  raw: Hashed,
  path: string,
  pending: PendingImage,
  signal: AbortSignal,
): Promise<ArchiveFile> {
  const known = await keepKnown(path, pending);
  if (known !== undefined) {
    for await (const _ of raw.read());
    const file = raw.finish();
    if (file.digest === known) return { ...file, diffId: known };
    return { ...file, problem: damaged(path, file.digest) };
  }
  try {
    const diffId = await pending.addLayer(decompressStream(raw.read(), signal), signal);
    for await (const _ of raw.read());
    return { ...raw.finish(), diffId };
  } catch (error) {
    if (!isEngineError(error) || error.code !== 'bad-request') throw error;
    // It may be something other than a layer, which nothing needs.
    for await (const _ of raw.read());
    return { ...raw.finish(), problem: error };
  }
}

/** Keeps an uncompressed layer that is on this host already, by its path; it only needs to be verified. */
async function keepKnown(path: string, pending: PendingImage): Promise<Digest | undefined> {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  if (hex === undefined) return undefined;
  const digest: Digest = `sha256:${hex}`;
  try {
    await pending.keepLayers([digest]);
    return digest;
  } catch (error) {
    if (isEngineError(error) && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** The error for a file of a layout whose content does not match the digest in its name. */
export function damaged(path: string, actual: Digest): EngineError {
  return new EngineError(
    'bad-request',
    `${path} of the archive is damaged: its content has the digest ${actual}`,
  );
}

/** Computes the digest and the size of a stream. */
class Hashed {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #algorithm: 'sha256' | 'sha512';
  readonly #hash;
  #size = 0;
  #ended = false;

  constructor(source: AsyncIterator<Uint8Array>, algorithm: 'sha256' | 'sha512') {
    this.#source = source;
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** Continues where the last reader stopped. */
  async *read(): AsyncGenerator<Uint8Array> {
    while (!this.#ended) {
      const { done, value } = await this.#source.next();
      if (done) {
        this.#ended = true;
        return;
      }
      this.#hash.update(value);
      this.#size += value.length;
      yield value;
    }
  }

  /** Must be called once, after everything is read. */
  finish(): { readonly digest: Digest; readonly size: number } {
    return { digest: `${this.#algorithm}:${this.#hash.digest('hex')}`, size: this.#size };
  }
}

function rawAlgorithm(path: string): 'sha256' | 'sha512' {
  return path.startsWith('blobs/sha512/') ? 'sha512' : 'sha256';
}

/** Makes the first bytes of a stream visible before they are read. */
function peekable(source: AsyncIterable<Uint8Array>) {
  const iterator = source[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  return {
    peek: async (length: number): Promise<Buffer> => {
      for (let have = 0; have < length; ) {
        const { done, value } = await iterator.next();
        if (done) break;
        seen.push(value);
        have += value.length;
      }
      return Buffer.concat(seen);
    },
    rest: async function* (): AsyncGenerator<Uint8Array> {
      yield* seen;
      for (let step = await iterator.next(); !step.done; step = await iterator.next()) yield step.value;
    },
  };
}

/** Reports whether a tar can begin like this: its header has the right checksum, or it is empty. */
function isTarHead(head: Buffer): boolean {
  if (head.length < HEAD) return false;
  const block = head.subarray(0, HEAD);
  return block.every((byte) => byte === 0) || hasValidChecksum(block);
}

function pathOf(entry: TarEntry): string {
  const path = cleanPath(utf8(entry.path));
  if (path !== undefined) return path;
  throw new EngineError(
    'bad-request',
    `the archive has the path ${JSON.stringify(entry.path.slice(0, 200))}, which is outside of it`,
  );
}

function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
