import type { Digest } from '../../oci/digest.ts';
import { OciError } from '../../oci/errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../oci/json.ts';
import { MAX_MANIFEST_SIZE, type Manifest, readManifest } from '../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { StorageError } from '../../storage/errors.ts';

interface Stores {
  readonly blobs: Pick<BlobStore, 'readAll'>;
  readonly catalog: Pick<Catalog, 'blobs' | 'manifests' | 'repositories'>;
}

const KEY = 'org.opencontainers.image.description';
const LONGEST = 1000;
/** Maximum bytes of a configuration that is read for a description. */
const MAX_CONFIG_SIZE = 1024 * 1024;
const IMAGE_CONFIGS: readonly string[] = [MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig];

/**
 * Stores the description of a tagged image as that of its repository: the annotation of the manifest or index, else
 * that of an index's first image, else the label of the configuration. Without one nothing changes.
 */
export async function recordDescription(
  stores: Stores,
  repository: string,
  manifest: Manifest,
): Promise<void> {
  const found = await describe(stores, repository, manifest);
  const text = found
    ?.slice(0, 10 * LONGEST)
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, LONGEST)
    .toWellFormed();
  if (text) await stores.catalog.repositories.describe(repository, text);
}

async function describe(stores: Stores, repository: string, manifest: Manifest): Promise<string | undefined> {
  const annotation = manifest.annotations?.[KEY];
  if (annotation) return annotation;
  const image = manifest.config === undefined ? await firstMember(stores, repository, manifest) : manifest;
  return image?.annotations?.[KEY] || (await labelOf(stores, repository, image));
}

async function firstMember(
  stores: Stores,
  repository: string,
  index: Manifest,
): Promise<Manifest | undefined> {
  const [first] = index.manifests;
  if (first === undefined) return undefined;
  const record = await stores.catalog.manifests.find(repository, { digest: first.digest });
  if (record === undefined) return undefined;
  return readManifest(await stores.blobs.readAll(record.blob, MAX_MANIFEST_SIZE), record.mediaType);
}

async function labelOf(
  stores: Stores,
  repository: string,
  image: Manifest | undefined,
): Promise<string | undefined> {
  const config = image?.config;
  if (config === undefined || !IMAGE_CONFIGS.includes(config.mediaType)) return undefined;
  const body = await readConfig(stores, repository, config.digest);
  const defaults = body?.config;
  const labels = isJsonObject(defaults) ? defaults.Labels : undefined;
  const label = isJsonObject(labels) ? labels[KEY] : undefined;
  return typeof label === 'string' ? label : undefined;
}

/** Returns undefined when it cannot be read: the content of images is not checked here. */
async function readConfig(
  { blobs, catalog }: Stores,
  repository: string,
  digest: Digest,
): Promise<JsonObject | undefined> {
  const blob = await catalog.blobs.find(repository, digest);
  if (blob === undefined || blob.size > MAX_CONFIG_SIZE) return undefined;
  try {
    return parseJsonObject(await blobs.readAll(blob, MAX_CONFIG_SIZE), 'the configuration');
  } catch (error) {
    if (error instanceof OciError || error instanceof StorageError) return undefined;
    throw error;
  }
}
