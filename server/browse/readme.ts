import { readManifest } from '../../oci/manifest.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { cut } from './bounded.ts';
import type { Readme } from './browse.ts';
import { type ContentReader, LARGEST_MANIFEST } from './read-content.ts';

/** The tag of an artifact whose first layer is the README of its repository. */
const README_TAG = 'readme';
/** The image whose annotation replaces it. */
const MAIN_TAG = 'latest';
const DESCRIPTION = 'org.opencontainers.image.description';
const LONGEST = 64 * 1024;
const TYPES = ['text/markdown', 'text/plain'] as const;

/**
 * Returns the README of a repository: the artifact pushed by `oras push HOST/NAME:readme README.md:text/markdown`, else
 * the description in the annotations of `latest`. Undefined if there is neither, or the artifact is not text.
 */
export async function readmeOf(
  catalog: Pick<Catalog, 'manifests'>,
  content: ContentReader,
  repository: string,
): Promise<Readme | undefined> {
  const artifact = await catalog.manifests.find(repository, { tag: README_TAG });
  if (artifact !== undefined) {
    const text = await readArtifact(content, repository, artifact);
    if (text !== undefined) return text;
  }
  const main = await catalog.manifests.find(repository, { tag: MAIN_TAG });
  const text = main?.annotations?.[DESCRIPTION];
  if (!text) return undefined;
  return { text: cut(text, LONGEST), mediaType: 'text/plain', truncated: text.length > LONGEST };
}

async function readArtifact(
  content: ContentReader,
  repository: string,
  artifact: NonNullable<Awaited<ReturnType<Catalog['manifests']['find']>>>,
): Promise<Readme | undefined> {
  const bytes = await content.manifest(artifact.blob, LARGEST_MANIFEST);
  if (typeof bytes === 'string') return undefined;
  const [layer] = readManifest(bytes, artifact.mediaType).layers;
  const essence = layer?.mediaType.split(';')[0]?.trim().toLowerCase();
  const mediaType = TYPES.find((type) => type === essence);
  if (layer === undefined || mediaType === undefined) return undefined;
  const head = await content.head(repository, layer.digest, LONGEST);
  if (typeof head === 'string') return undefined;
  // A character that is cut in half is left out.
  const text = new TextDecoder('utf-8').decode(head, { stream: layer.size > LONGEST });
  return { text, mediaType, truncated: layer.size > LONGEST };
}
