import { createHash } from 'node:crypto';
import type { HttpExchange } from '../../../oci/distribution/http-exchange.ts';
import { streamBody } from '../../../oci/distribution/read-body.ts';
import { EngineError } from '../../errors.ts';
import { ArchiveTree } from './archive-tree.ts';
import type { FileTree } from './file-tree.ts';
import { openSpool } from './spool.ts';
import { byteText } from './tree-paths.ts';
import type { UnpackOptions } from './unpack-archive.ts';

const NOTHING: ReadonlyMap<string, string> = new Map();

/** A file that ADD fetches from a URL. */
export interface RemoteSource {
  readonly url: string;
  /** Name of the resulting file. */
  readonly name: string;
  /** `sha256:…` */
  readonly checksum: string;
}

/**
 * Downloads a URL of ADD into a tree with one file, mode 0600. Throws EngineError: 'registry' when the server fails,
 * 'bad-request' for another checksum or beyond the limits.
 */
export async function fetchRemote(
  { url, name, checksum }: RemoteSource,
  exchange: HttpExchange,
  options: UnpackOptions,
  signal: AbortSignal,
): Promise<FileTree> {
  const failed = (cause: Error) => {
    signal.throwIfAborted();
    return new EngineError('registry', `${url} cannot be fetched: ${cause.message}`, { cause });
  };
  const asked = { method: 'GET', url: new URL(url), verifyCertificate: true, signal } as const;
  const response = await exchange.send(asked).catch((cause: Error) => {
    throw failed(cause);
  });
  if (response.status !== 200) {
    response.body.destroy();
    throw new EngineError('registry', `${url} cannot be fetched: the server answers ${response.status}`);
  }
  const modified = Date.parse(response.headers['last-modified'] ?? '');
  const spool = await openSpool(options.directory);
  try {
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of streamBody(response, signal)) {
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
