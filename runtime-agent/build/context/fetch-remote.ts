import { createHash } from 'node:crypto';
import { EngineError } from '../../errors.ts';
import { ArchiveTree } from './archive-tree.ts';
import type { FileTree } from './file-tree.ts';
import { openSpool } from './open-spool.ts';
import { byteText } from './tree-paths.ts';
import type { UnpackOptions } from './unpack-archive.ts';

/** Milliseconds until a server that says nothing is given up. */
const TIMEOUT = 60_000;
const NOTHING: ReadonlyMap<string, string> = new Map();

/**
 * Fetches what ADD names by URL, into a tree of this one file, mode 0600. Throws EngineError: 'registry' where the server does not
 * give it, 'bad-request' where it has another checksum or is larger than the limits.
 */
export async function fetchRemote(
  url: string,
  name: string,
  checksum: string,
  options: UnpackOptions,
  signal: AbortSignal,
): Promise<FileTree> {
  const response = await fetch(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
  }).catch((cause: Error) => {
    signal.throwIfAborted();
    throw new EngineError('registry', `${url} cannot be fetched: ${causeOf(cause)}`, { cause });
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new EngineError('registry', `${url} cannot be fetched: the server answers ${response.status}`);
  }
  const modified = Date.parse(response.headers.get('last-modified') ?? '');
  const spool = await openSpool(options.directory);
  try {
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of response.body) {
      signal.throwIfAborted();
      hash.update(chunk);
      if (size + chunk.length > options.limits.size) {
        throw new EngineError('bad-request', `${url} is larger than ${options.limits.size} bytes`);
      }
      await spool.write(chunk, 0, chunk.length, size);
      size += chunk.length;
    }
    const digest = hash.digest('hex');
    if (`sha256:${digest}` !== checksum) {
      throw new EngineError('bad-request', `${url} has the checksum sha256:${digest}, not ${checksum}`);
    }
    const mtime = Number.isNaN(modified) ? 0 : Math.floor(modified / 1000);
    const path = byteText(name);
    const common = { uid: 0, gid: 0, mtime };
    return new ArchiveTree(
      new Map([
        ['', { entry: { ...common, path: '', kind: 'folder', mode: 0o755 }, xattrs: NOTHING }],
        [
          path,
          {
            entry: { ...common, path, kind: 'file', mode: 0o600, size },
            content: { offset: 0, digest },
            xattrs: NOTHING,
          },
        ],
      ]),
      spool,
    );
  } catch (error) {
    await spool.close();
    throw error;
  }
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
