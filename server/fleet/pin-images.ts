import type { ComposeProblem } from '../../fleet/compose/compose-error.ts';
import type { AppSpec, PinnedImage } from '../../fleet/service.ts';
import { OciError } from '../../oci/errors.ts';
import { MAX_CONFIG_SIZE, readImageConfig } from '../../oci/image-config.ts';
import { MAX_MANIFEST_SIZE, type Manifest, readManifest } from '../../oci/manifest.ts';
import {
  familiarName,
  familiarReference,
  type ImageReference,
  parseImageReference,
} from '../../oci/reference.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';

export interface PinStores {
  readonly catalog: Pick<Catalog, 'blobs' | 'manifests'>;
  readonly blobs: Pick<BlobStore, 'readAll'>;
}

export interface PinRequest {
  readonly spec: AppSpec;
  /** Names of this registry, as `host` or `host:port`. */
  readonly ownNames: readonly string[];
  /** Reports whether the person who deploys may pull from a repository of this registry. */
  readonly mayPull: (repository: string) => boolean;
}

/** An image of a service by digest, and its platforms. */
export interface Pin {
  readonly image: PinnedImage;
  /** Such as `linux/amd64`; undefined if unknown because the image is in another registry. */
  readonly platforms?: readonly string[];
}

export interface Pins {
  /** By service. */
  readonly pins: ReadonlyMap<string, Pin>;
  readonly problems: readonly ComposeProblem[];
}

/**
 * Resolves the image of each service once, for all hosts. An image of another registry must be named by its digest, the
 * only name that means the same on every host.
 */
export async function pinImages(stores: PinStores, request: PinRequest): Promise<Pins> {
  const pins = new Map<string, Pin>();
  const problems: ComposeProblem[] = [];
  for (const { name, image } of request.spec.services) {
    const found = await pinOf(stores, request, image);
    if (typeof found === 'string') problems.push({ path: ['services', name, 'image'], message: found });
    else pins.set(name, found);
  }
  return { pins, problems };
}

/** Returns an error as a sentence. */
async function pinOf(
  stores: PinStores,
  { ownNames, mayPull }: PinRequest,
  text: string,
): Promise<Pin | string> {
  let reference: ImageReference;
  try {
    reference = parseImageReference(text);
  } catch (error) {
    if (error instanceof OciError) return error.message;
    throw error;
  }
  const { digest, registry, repository, tag } = reference;
  if (!ownNames.includes(registry)) {
    if (digest !== undefined) return { image: { registry, repository, digest, ...(tag && { tag }) } };
    const byDigest = `${familiarName(reference)}@sha256:…`;
    return `${familiarReference(reference)} is in another registry: push it to this one, or name it as ${byDigest}`;
  }
  if (!mayPull(repository)) return `you may not pull from ${repository}`;
  const by = digest !== undefined ? { digest } : { tag: tag ?? 'latest' };
  const record = await stores.catalog.manifests.find(repository, by);
  if (record === undefined) {
    return `${familiarReference(reference)} is not in this registry: push it first`;
  }
  const manifest = readManifest(await stores.blobs.readAll(record.blob, MAX_MANIFEST_SIZE), record.mediaType);
  return {
    image: { repository, digest: record.blob.digest, ...(tag !== undefined && { tag }) },
    platforms: await platformsOf(stores, repository, manifest),
  };
}

async function platformsOf(
  { blobs, catalog }: PinStores,
  repository: string,
  manifest: Manifest,
): Promise<readonly string[]> {
  const members = manifest.manifests.flatMap(({ platform }) => (platform === undefined ? [] : platform));
  if (manifest.config === undefined) return members.map(platformText);
  const blob = await catalog.blobs.find(repository, manifest.config.digest);
  if (blob === undefined) return [];
  try {
    return [platformText(readImageConfig(await blobs.readAll(blob, MAX_CONFIG_SIZE)))];
  } catch (error) {
    if (error instanceof OciError) return [];
    throw error;
  }
}

function platformText({ os, architecture }: { readonly os: string; readonly architecture: string }): string {
  return `${os}/${architecture}`;
}
