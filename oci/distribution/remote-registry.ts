import { OciError } from '../errors.ts';
import { MAX_CONFIG_SIZE, readImageConfig } from '../image-config.ts';
import { refuseTooManyValues } from '../json.ts';
import { type Manifest, readManifest } from '../manifest.ts';
import { isTag } from '../reference.ts';
import { DistributionError, readReference } from './errors.ts';
import { verifiedBlob } from './read-body.ts';
import type { RegistryClient } from './registry-client.ts';
import { unreadableList } from './registry-lists.ts';
import type {
  FoundRepository,
  QueryOptions,
  RegistryQueries,
  RemoteImage,
  RemotePlatform,
} from './registry-queries.ts';
import type { RegistryRepository } from './registry-repository.ts';
import { searchRegistry, splitSearchTerm } from './search-registry.ts';

/** Queries registries with a client. */
export class RemoteRegistry implements RegistryQueries {
  readonly #client: RegistryClient;

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  async tags(text: string, options: QueryOptions): Promise<readonly string[]> {
    return await this.#client.fromSources(readReference(text), options, async (repository) => {
      const tags: string[] = [];
      for await (const tag of repository.tags(options.signal)) {
        if (!isTag(tag)) throw unreadableList(`the tags of ${text}`);
        tags.push(tag);
      }
      return tags;
    });
  }

  async search(
    text: string,
    limit: number,
    { credentials, signal }: QueryOptions,
  ): Promise<readonly FoundRepository[]> {
    const { registry, term } = splitSearchTerm(text);
    const session = this.#client.searchSession(registry, credentials);
    return (await searchRegistry(session, { registry, term, limit }, signal)).slice(0, limit);
  }

  async describe(text: string, options: QueryOptions): Promise<RemoteImage> {
    const reference = readReference(text);
    const { signal } = options;
    return await this.#client.fromSources(reference, options, async (repository) => {
      const fetched = await repository.fetchManifest(reference.digest ?? reference.tag ?? 'latest', signal);
      const { bytes, digest } = fetched;
      const manifest = await readSent(bytes, () => readManifest(bytes, fetched.mediaType || undefined));
      const { mediaType } = manifest;
      const platforms = await platformsOf(manifest, repository, signal);
      return { mediaType, digest, size: bytes.byteLength, platforms };
    });
  }
}

async function platformsOf(
  { config, manifests }: Manifest,
  repository: RegistryRepository,
  signal: AbortSignal,
): Promise<readonly RemotePlatform[]> {
  if (config === undefined) {
    return manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platformOf(platform)]));
  }
  // An artifact has no platform.
  if (!/\.(image\.v1|config\.v1)\+json$/.test(config.mediaType) || config.size > MAX_CONFIG_SIZE) return [];
  const chunks: Uint8Array[] = [];
  for await (const chunk of verifiedBlob(config, repository.readBlob(config, signal))) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return [platformOf(await readSent(bytes, () => readImageConfig(bytes)))];
}

function platformOf({ os, architecture, variant }: RemotePlatform): RemotePlatform {
  return { architecture, os, ...(variant && { variant }) };
}

async function readSent<T>(bytes: Uint8Array, read: () => T): Promise<T> {
  try {
    await refuseTooManyValues(bytes, 'its JSON');
    return read();
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    throw new DistributionError('bad-request', `the image is broken: ${error.message}`, { cause: error });
  }
}
