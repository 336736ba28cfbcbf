import type { Digest } from '../../oci/digest.ts';
import { OciError } from '../../oci/errors.ts';
import { parseJsonObject } from '../../oci/json.ts';
import { type Descriptor, isForeign, type Manifest, platformText, readManifest } from '../../oci/manifest.ts';
import { isManifest, MEDIA_TYPES } from '../../oci/media-types.ts';
import type { BlobSharing } from '../../storage/catalog/browse/browse-catalog.ts';
import { cut, MOST_ENTRIES, mapOf } from './bounded.ts';
import type { LayerView, MemberView } from './browse.ts';
import { type ReadConfig, readConfig, unreadConfig } from './config-view.ts';
import { type Content, type ContentReader, LARGEST_CONFIG } from './read-content.ts';

const IMAGE_CONFIGS: readonly string[] = [MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig];
const NONE_SHARED = { manifests: 0, repositories: [], repositoryCount: 0 } as const;

/** Parses a stored manifest; returns a sentence if it cannot be read. */
export function parseContent(content: Content, mediaType: string): Manifest | string {
  if (typeof content === 'string') return content;
  try {
    return readManifest(content, mediaType);
  } catch (error) {
    if (error instanceof OciError) return error.message;
    throw error;
  }
}

/** Returns digests whose sharing a page shows: those of the blobs in `layersOf`. */
export function layerDigests({ layers }: Manifest): readonly Digest[] {
  return [...new Set(layers.slice(0, MOST_ENTRIES).map(({ digest }) => digest))];
}

export function layersOf({ layers }: Manifest, sharing: readonly BlobSharing[]): readonly LayerView[] {
  const byDigest = new Map(sharing.map((blob) => [blob.digest, blob]));
  return layers.slice(0, MOST_ENTRIES).map((layer) => {
    const { manifests, repositories, repositoryCount, size } = {
      size: undefined,
      ...NONE_SHARED,
      ...byDigest.get(layer.digest),
    };
    return {
      digest: layer.digest,
      mediaType: cut(layer.mediaType),
      size: layer.size,
      foreign: isForeign(layer),
      present: size !== undefined,
      annotations: mapOf(layer.annotations),
      sharedBy: { manifests, repositories, repositoryCount },
    };
  });
}

export function membersOf(
  { manifests }: Manifest,
  present: ReadonlyMap<Digest, number>,
): readonly MemberView[] {
  return manifests.slice(0, MOST_ENTRIES).map((member) => {
    const platform = platformText(member.platform);
    return {
      digest: member.digest,
      ...(platform !== undefined && { platform }),
      mediaType: cut(member.mediaType),
      ...(member.artifactType !== undefined && { artifactType: cut(member.artifactType) }),
      size: member.size,
      annotations: mapOf(member.annotations),
      present: present.has(member.digest),
    };
  });
}

/**
 * Returns the configuration of an image; undefined for an index, or an artifact, whose configuration has its own
 * format.
 */
export async function configOf(
  content: ContentReader,
  repository: string,
  manifest: Manifest,
): Promise<ReadConfig | undefined> {
  const { config } = manifest;
  if (config === undefined || !isManifest(manifest.mediaType)) return undefined;
  if (!IMAGE_CONFIGS.includes(config.mediaType)) {
    return unreadConfig(config, `${cut(config.mediaType, 160)} is not the configuration of an image`);
  }
  const body = await content.blob(repository, config.digest, LARGEST_CONFIG);
  if (typeof body === 'string') return unreadConfig(config, body);
  return parseConfig(config, body, manifest.layers.length);
}

function parseConfig(config: Descriptor, body: Buffer, layers: number): ReadConfig {
  try {
    return readConfig(config, parseJsonObject(body, 'the image configuration'), layers);
  } catch (error) {
    if (error instanceof OciError) return unreadConfig(config, error.message);
    throw error;
  }
}
