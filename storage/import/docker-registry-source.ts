import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../../oci/digest.ts';
import { MAX_MANIFEST_SIZE } from '../../oci/manifest.ts';
import {
  type ImportSource,
  type SourceBlob,
  SourceContentError,
  type SourceManifest,
} from './import-source.ts';

/** Path below the `rootdirectory` of docker-registry's configuration. */
export const DOCKER_REGISTRY_ROOT = 'docker/registry/v2';

const REPOSITORIES = `${DOCKER_REGISTRY_ROOT}/repositories`;
const BLOBS = `${DOCKER_REGISTRY_ROOT}/blobs`;
/** Maximum bytes of a link, which contains one digest. */
const MAX_LINK = 1024;

/**
 * The storage of docker-registry (distribution), as its path mapper of version 2 lays it out: a repository has links
 * `_manifests/revisions/ALGORITHM/HEX/link`, `_manifests/tags/TAG/current/link` and `_layers/ALGORITHM/HEX/link`;
 * content is in `blobs/ALGORITHM/HH/HEX/data`. Deleting removes the link and keeps the content until garbage
 * collection, so only links show what exists.
 */
export class DockerRegistrySource implements ImportSource {
  readonly #tree: ReadOnlyTree;

  constructor(tree: ReadOnlyTree) {
    this.#tree = tree;
  }

  repositories(signal: AbortSignal): AsyncIterable<string> {
    return this.#repositoriesBelow('', signal);
  }

  async *#repositoriesBelow(prefix: string, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const folders: string[] = [];
    let isRepository = false;
    for await (const { name, isFolder } of this.#tree.list(`${REPOSITORIES}${prefix}`, signal)) {
      if (!isFolder) continue;
      if (name === '_manifests') isRepository = true;
      if (!name.startsWith('_')) folders.push(name);
    }
    if (isRepository) yield prefix.slice(1);
    for (const folder of folders.sort()) yield* this.#repositoriesBelow(`${prefix}/${folder}`, signal);
  }

  async *tags(repository: string, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const folder = `${REPOSITORIES}/${repository}/_manifests/tags`;
    for await (const { name, isFolder } of this.#tree.list(folder, signal)) if (isFolder) yield name;
  }

  async resolveTag(repository: string, tag: string, signal: AbortSignal): Promise<Digest | undefined> {
    const link = `${REPOSITORIES}/${repository}/_manifests/tags/${tag}/current/link`;
    const digest = await this.#readLink(link, signal);
    // A manifest that was deleted by its digest leaves its tags behind.
    return digest !== undefined && (await this.#hasRevision(repository, digest, signal)) ? digest : undefined;
  }

  async *manifests(repository: string, signal: AbortSignal): AsyncGenerator<Digest, void, undefined> {
    const revisions = `${REPOSITORIES}/${repository}/_manifests/revisions`;
    for await (const { name: algorithm } of this.#tree.list(revisions, signal)) {
      for await (const { name: hex } of this.#tree.list(`${revisions}/${algorithm}`, signal)) {
        const digest = `${algorithm}:${hex}`;
        if (isDigest(digest) && (await this.#hasRevision(repository, digest, signal))) yield digest;
      }
    }
  }

  async readManifest(repository: string, digest: Digest, signal: AbortSignal): Promise<SourceManifest> {
    if (!(await this.#hasRevision(repository, digest, signal))) {
      throw new SourceContentError(`the manifest ${digest} is not in the source's repository`);
    }
    const bytes = await this.#tree.read(dataPath(digest), MAX_MANIFEST_SIZE, signal);
    if (bytes === undefined) throw new SourceContentError(`the content of the manifest ${digest} is missing`);
    const algorithm = digestAlgorithm(digest);
    const actual = createHash(algorithm).update(bytes).digest('hex');
    if (actual !== digestHex(digest)) {
      throw new SourceContentError(
        `the manifest ${digest} is damaged in the source: its content has the digest ${algorithm}:${actual}`,
      );
    }
    return { bytes };
  }

  async *readBlob(
    repository: string,
    { digest }: SourceBlob,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const link = `${REPOSITORIES}/${repository}/_layers/${linkName(digest)}`;
    if ((await this.#readLink(link, signal)) === undefined) {
      throw new SourceContentError(`the blob ${digest} is not in the source's repository`);
    }
    yield* this.#tree.stream(dataPath(digest), signal);
  }

  /** Returns none: this registry stores no list, and a list made by its clients is a tag. */
  async referrers(): Promise<readonly Digest[]> {
    return [];
  }

  async #hasRevision(repository: string, digest: Digest, signal: AbortSignal): Promise<boolean> {
    const link = `${REPOSITORIES}/${repository}/_manifests/revisions/${linkName(digest)}`;
    return (await this.#readLink(link, signal)) === digest;
  }

  async #readLink(path: string, signal: AbortSignal): Promise<Digest | undefined> {
    const text = (await this.#tree.read(path, MAX_LINK, signal))?.toString('utf8').trim();
    if (text === undefined || isDigest(text)) return text;
    throw new SourceContentError(`${path} is damaged: it contains no digest`);
  }
}

function linkName(digest: Digest): string {
  return `${digestAlgorithm(digest)}/${digestHex(digest)}/link`;
}

function dataPath(digest: Digest): string {
  const hex = digestHex(digest);
  return `${BLOBS}/${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}/data`;
}

/** Files to read, named by paths with slashes below a root: a folder, or the keys of a bucket. */
export interface ReadOnlyTree {
  /** Lists the names directly below a folder, in no order; none when it does not exist. */
  list(folder: string, signal: AbortSignal): AsyncIterable<TreeEntry>;
  /**
   * Reads a file of at most `limit` bytes; undefined when it does not exist. Throws SourceContentError when it is
   * larger.
   */
  read(file: string, limit: number, signal: AbortSignal): Promise<Buffer | undefined>;
  /** Streams a file. Throws SourceContentError before the first byte when it does not exist. */
  stream(file: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface TreeEntry {
  readonly name: string;
  readonly isFolder: boolean;
}
