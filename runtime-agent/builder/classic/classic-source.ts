import { posix } from 'node:path';
import type { RegistryCredentials } from '../../../oci/distribution/credentials/registry-credentials.ts';
import { EngineError } from '../../errors.ts';
import { storageFull } from '../../storage-full.ts';
import { decompressStream } from '../../trees/decompress-stream.ts';
import type { BuildSource } from '../builder.ts';
import { ArchiveTree } from '../context/archive-tree.ts';
import type { FileTree } from '../context/file-tree.ts';
import { type ArchiveLimits, receiveArchive } from '../context/receive-archive.ts';
import { borrowed } from '../context/shared-trees.ts';
import { openSpool } from '../context/spool.ts';
import { byteText, resolveInTree } from '../context/tree-paths.ts';

/** A context that a client sent as one tar, with its metadata. */
export interface ReceivedSource extends BuildSource {
  /** Closes the source after its last reader. */
  close(): Promise<void>;
}

export interface ReceiveOptions {
  /** Folder for contents during the build; the files are unnamed, so that a killed agent leaves nothing behind. */
  readonly directory: string;
  readonly limits: ArchiveLimits;
  readonly credentials: ReadonlyMap<string, RegistryCredentials>;
  readonly signal: AbortSignal;
}

const MAX_DOCKERFILE = 1 << 20;

/** Receives a whole context. Throws EngineError 'bad-request' for an invalid one, 'storage-full'. */
export async function receiveSource(
  body: AsyncIterable<Uint8Array>,
  options: ReceiveOptions,
): Promise<ReceivedSource> {
  const { directory, limits, credentials, signal } = options;
  const spool = await openSpool(directory);
  try {
    const nodes = await receiveArchive(decompressStream(body, signal), spool, limits, signal);
    return treeSource(new ArchiveTree(nodes, spool), credentials);
  } catch (error) {
    await spool.close();
    throw storageFull(error) ?? error;
  }
}

/** Returns a context that was received completely; its tree is released with it. */
export function treeSource(
  tree: FileTree,
  credentials: ReadonlyMap<string, RegistryCredentials>,
): ReceivedSource {
  return {
    ignoring: 'build-files',
    readDockerfile: (name) => readSmallFile(tree, name),
    openContext: async (name) => {
      if (name !== undefined) throw new EngineError('bad-request', `there is no context ${name}`);
      // Builds release their trees; this one is released with the request.
      return borrowed(tree, async () => undefined);
    },
    secret: async () => undefined,
    credentials: async (registry) => credentials.get(registry),
    folderContent: () => {
      throw new EngineError(
        'bad-request',
        'a cache in a folder of the client needs BuildKit: build with buildx',
      );
    },
    sshSocket: async () => undefined,
    close: () => tree.release(),
  };
}

async function readSmallFile(tree: FileTree, name: string): Promise<string | undefined> {
  const path = posix.normalize(name).replace(/^\/+/, '');
  if (path === '..' || path.startsWith('../')) {
    throw new EngineError('bad-request', `Forbidden path outside the build context: ${name.slice(0, 200)}`);
  }
  const { entry } = (await resolveInTree(tree, byteText(path))) ?? {};
  if (entry?.kind !== 'file') return undefined;
  if (entry.size > MAX_DOCKERFILE) {
    throw new EngineError('bad-request', `${name.slice(0, 200)} is larger than ${MAX_DOCKERFILE} bytes`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of tree.read(entry)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
