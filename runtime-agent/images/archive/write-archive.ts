import { encodeEntry, paddingOf, TAR_END_SIZE } from '../../../lib/tar/tar-writer.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { Descriptor } from '../../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../../oci/media-types.ts';
import type { Platform } from '../image.ts';
import { type IndexMember, indexDocument } from '../indexes/index-document.ts';
import { imageManifest } from '../pending/plain-manifest.ts';

/** A layer of an archive, in its form there. */
export interface SavedLayer {
  readonly diffId: Digest;
  readonly blob: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;
}

/** An image of an archive. */
export interface SavedImage {
  readonly id: Digest;
  readonly config: Uint8Array;
  readonly layers: readonly SavedLayer[];
  /** Full names with a registry, as containerd writes them, and short ones, as docker prints them; sorted. */
  readonly names: readonly { readonly full: string; readonly familiar: string; readonly tag: string }[];
}

/** The images of one name, one for each platform, in order. */
export interface SavedIndex {
  readonly platforms: readonly Platform[];
  readonly names: SavedImage['names'];
}

const NOTHING: ReadonlyMap<string, string> = new Map();
const ENTRY = { target: '', major: 0, minor: 0, uid: 0, gid: 0, mtime: 0, xattrs: NOTHING } as const;

/**
 * Yields the tar of an OCI layout (image-spec, image-layout.md) with docker's manifest.json beside its index, each blob
 * once. Reproducible: times are 0, and those of configurations the creation times of the images.
 */
export async function* writeArchive(
  images: readonly SavedImage[],
  readLayer: (layer: SavedLayer) => AsyncIterable<Uint8Array>,
  together?: SavedIndex,
): AsyncGenerator<Uint8Array> {
  const written = new Set<Digest>();
  yield folder('blobs');
  yield folder('blobs/sha256');
  const index: object[] = [];
  const members: IndexMember[] = [];
  const list: object[] = [];
  for (const [position, { id, config, layers, names }] of images.entries()) {
    for (const layer of layers) {
      const { digest, size } = layer.blob;
      if (written.has(digest)) continue;
      written.add(digest);
      yield* file(blobPath(digest), size, readLayer(layer));
    }
    if (!written.has(id)) yield* file(blobPath(id), config.length, [config], createdSeconds(config));
    written.add(id);
    const blobs = layers.map(({ blob }) => blob);
    const manifest = imageManifest({ digest: id, size: config.length }, blobs);
    if (!written.has(manifest.digest)) yield* json(blobPath(manifest.digest), manifest.bytes);
    written.add(manifest.digest);
    const descriptor = {
      mediaType: MEDIA_TYPES.ociManifest,
      digest: manifest.digest,
      size: manifest.bytes.length,
    };
    const platform = together?.platforms[position];
    if (platform === undefined) index.push(...namedDescriptors(descriptor, names));
    else members.push({ ...descriptor, platform });
    list.push({
      Config: blobPath(id),
      RepoTags: names.length === 0 ? null : names.map(({ familiar }) => familiar),
      Layers: blobs.map(({ digest }) => blobPath(digest)),
      LayerSources: Object.fromEntries(layers.map(({ diffId, blob }) => [diffId, blobSource(blob)])),
    });
  }
  if (together !== undefined) {
    const { mediaType, digest, bytes } = indexDocument(members);
    yield* json(blobPath(digest), bytes);
    index.push(...namedDescriptors({ mediaType, digest, size: bytes.length }, together.names));
  }
  yield* json('index.json', text({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: index }));
  yield* json('manifest.json', text(list));
  yield* json('oci-layout', text({ imageLayoutVersion: '1.0.0' }));
  yield Buffer.alloc(TAR_END_SIZE);
}

/** Returns one descriptor for each name, as containerd writes them; one without a name if there is none. */
function namedDescriptors(descriptor: object, names: SavedImage['names']): readonly object[] {
  if (names.length === 0) return [descriptor];
  return names.map(({ full, tag }) => ({
    ...descriptor,
    annotations: { 'io.containerd.image.name': full, 'org.opencontainers.image.ref.name': tag },
  }));
}

function folder(path: string): Buffer {
  return encodeEntry({ ...ENTRY, path, kind: 'folder', mode: 0o755, size: 0 });
}

async function* json(path: string, bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield* file(path, bytes.length, [bytes]);
}

async function* file(
  path: string,
  size: number,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  mtime = 0,
): AsyncGenerator<Uint8Array> {
  yield encodeEntry({ ...ENTRY, path, kind: 'file', mode: 0o644, size, mtime });
  let left = size;
  for await (const chunk of content) {
    left -= chunk.length;
    yield chunk;
  }
  if (left !== 0) throw new Error(`${path} has another size than was told before`);
  yield Buffer.alloc(paddingOf(size));
}

/** Returns the creation time of an image in seconds since 1970; 0 without one, or one that a tar cannot store. */
function createdSeconds(config: Uint8Array): number {
  const { created } = JSON.parse(Buffer.from(config).toString('utf8')) as { readonly created?: unknown };
  const seconds = typeof created === 'string' ? Math.floor(Date.parse(created) / 1000) : 0;
  return seconds > 0 && seconds < 2 ** 33 ? seconds : 0;
}

/** Fields in docker's order. */
function blobSource({ mediaType, size, digest }: SavedLayer['blob']): object {
  return { mediaType, size, digest };
}

/** Returns a layer as it is stored on this host. */
export function plainLayer(diffId: Digest, size: number): SavedLayer {
  return { diffId, blob: { mediaType: MEDIA_TYPES.ociLayer, digest: diffId, size } };
}

function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function text(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
