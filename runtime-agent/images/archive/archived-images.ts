import { type Digest, digestAlgorithm } from '../../../oci/digest.ts';
import { readReference } from '../../../oci/distribution/errors.ts';
import type { Descriptor, Manifest } from '../../../oci/manifest.ts';
import { isIndex, isManifest } from '../../../oci/media-types.ts';
import { EngineError } from '../../errors.ts';
import type { TagName } from '../image-record.ts';
import { choosePlatform, hostPlatform, platformText } from '../platform.ts';
import { checkLayerCount, readReceived, readReceivedConfig, readReceivedManifest } from '../resolve-image.ts';
import type { ArchiveFile, ArchiveFiles } from './archive-files.ts';
import { damaged } from './receive-archive.ts';

/** An image of an archive, whose layers are on this host and match its configuration. */
export interface ArchivedImage {
  readonly config: Buffer;
  readonly names: readonly TagName[];
  /** Layers that arrived before it was known that the configuration names them by sha512. */
  readonly otherIds: readonly OtherId[];
}

/** Both diff IDs of one layer; it has not been checked that they have the same content. */
export interface OtherId {
  readonly here: Digest;
  readonly wanted: Digest;
}

/** Maximum depth of nested indexes. */
const MAX_DEPTH = 3;
const MAX_IMAGES = 1000;
const IMAGE_NAME = 'io.containerd.image.name';
const REF_NAME = 'org.opencontainers.image.ref.name';

/**
 * Returns the images of an archive, by docker's manifest.json or else by the index of an OCI layout. Throws EngineError
 * 'bad-request' for an archive that is neither, lacks something, or whose digests are wrong.
 */
export async function archivedImages(files: ArchiveFiles): Promise<readonly ArchivedImage[]> {
  if (files.has('manifest.json')) return await dockerImages(files);
  if (files.has('index.json')) return await layoutImages(files);
  if (files.has('repositories')) {
    throw new EngineError(
      'bad-request',
      'the archive comes from a docker before 1.10: load it into a newer docker and save it from there',
    );
  }
  throw new EngineError(
    'bad-request',
    'the archive holds no images: it has neither manifest.json nor index.json',
  );
}

async function dockerImages(files: ArchiveFiles): Promise<readonly ArchivedImage[]> {
  const bytes = files.bytes('manifest.json');
  const items = await readReceived(bytes, 'manifest.json', 'archive', () => parse(bytes, 'manifest.json'));
  if (!Array.isArray(items) || items.length > MAX_IMAGES)
    throw invalid('manifest.json is not a list of images');
  const images: ArchivedImage[] = [];
  for (const item of items) {
    const { Config: path, Layers: listed, RepoTags: tags } = (item ?? {}) as Record<string, unknown>;
    // Go writes an empty list as null.
    const layers = listed ?? [];
    if (
      typeof path !== 'string' ||
      !isTexts(layers) ||
      !(tags === null || tags === undefined || isTexts(tags))
    ) {
      throw invalid('manifest.json has an image without Config, or with Layers that are not a list');
    }
    const config = files.bytes(path);
    checkName(path, files.get(path));
    const otherIds = await checkLayers(
      config,
      layers.map((layer) => files.get(layer)),
    );
    images.push({ config, names: (tags ?? []).map(tagName), otherIds });
  }
  return images;
}

async function layoutImages(files: ArchiveFiles): Promise<readonly ArchivedImage[]> {
  const index = await readReceivedManifest(files.bytes('index.json'), undefined, 'archive');
  if (index.manifests.length > MAX_IMAGES) throw invalid('index.json has too many images');
  const images = new Map<string, ArchivedImage & { readonly names: TagName[] }>();
  for (const descriptor of index.manifests) {
    const manifest = await descend(files, descriptor);
    if (manifest?.config === undefined) continue;
    const config = blobBytes(files, manifest.config);
    const otherIds = await checkLayers(
      config,
      manifest.layers.map((layer) => blobOf(files, layer)),
    );
    const known = images.get(manifest.config.digest) ?? { config, names: [], otherIds };
    images.set(manifest.config.digest, known);
    known.names.push(...layoutNames(descriptor));
  }
  if (images.size === 0) throw invalid('index.json names no image of this platform');
  return [...images.values()];
}

/** Finds the image of a descriptor for this host; undefined for an attestation. */
async function descend(files: ArchiveFiles, first: Descriptor): Promise<Manifest | undefined> {
  let descriptor = first;
  for (let depth = 0; depth <= MAX_DEPTH; depth += 1) {
    if (descriptor.platform?.os === 'unknown') return undefined;
    const { mediaType } = descriptor;
    if (!isIndex(mediaType) && !isManifest(mediaType)) return undefined;
    const manifest = await readReceivedManifest(blobBytes(files, descriptor), mediaType, 'archive');
    if (!isIndex(mediaType)) return manifest;
    const member = choosePlatform(manifest.manifests, hostPlatform());
    if (member === undefined) throw invalid(`it has no image for ${platformText(hostPlatform())}`);
    descriptor = member;
  }
  throw invalid('it has an index of indexes of indexes');
}

function blobOf(files: ArchiveFiles, { digest, size }: Descriptor): ArchiveFile {
  const path = `blobs/${digest.replace(':', '/')}`;
  const file = files.get(path);
  if (file.digest !== digest || file.size !== size) throw damaged(path, file.digest);
  return file;
}

function blobBytes(files: ArchiveFiles, descriptor: Descriptor): Buffer {
  blobOf(files, descriptor);
  return files.bytes(`blobs/${descriptor.digest.replace(':', '/')}`);
}

/** Verifies a file that is named by its digest. */
function checkName(path: string, file: ArchiveFile): void {
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  if (named !== undefined && file.digest !== `sha256:${named}`) throw damaged(path, file.digest);
}

/** Verifies that the layers match the configuration, in order. Returns those that it names by sha512. */
async function checkLayers(config: Buffer, layers: readonly ArchiveFile[]): Promise<readonly OtherId[]> {
  const { diffIds, os } = await readReceivedConfig(config, 'archive');
  if (os !== 'linux') throw new EngineError('bad-request', `cannot load ${os.slice(0, 100)} image on linux`);
  if (layers.length !== diffIds.length) {
    throw new EngineError(
      'bad-request',
      `invalid manifest, layers length mismatch: expected ${diffIds.length}, got ${layers.length}`,
    );
  }
  checkLayerCount(layers.length);
  const otherIds: OtherId[] = [];
  for (const [index, layer] of layers.entries()) {
    if (layer.problem !== undefined) throw layer.problem;
    const wanted = diffIds[index];
    if (layer.diffId === wanted) continue;
    if (layer.diffId !== undefined && wanted !== undefined && digestAlgorithm(wanted) === 'sha512') {
      otherIds.push({ here: layer.diffId, wanted });
      continue;
    }
    throw new EngineError(
      'bad-request',
      `invalid diffID for layer ${index}: expected "${diffIds[index]}", got "${layer.diffId ?? layer.digest}"`,
    );
  }
  return otherIds;
}

/**
 * Returns the names of an image in a layout. podman writes the full name where others write a tag alone, which names
 * nothing.
 */
function layoutNames({ annotations = {} }: Descriptor): readonly TagName[] {
  const full = annotations[IMAGE_NAME];
  if (full !== undefined) return [tagName(full)];
  const reference = annotations[REF_NAME];
  if (reference === undefined || !/[:/]/.test(reference)) return [];
  return [tagName(reference)];
}

function tagName(text: string): TagName {
  const { registry, repository, tag, digest } = readReference(text);
  if (tag === undefined || digest !== undefined) {
    throw new EngineError('bad-request', `invalid tag ${JSON.stringify(text.slice(0, 300))} in the archive`);
  }
  return { registry, repository, tag };
}

function parse(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new EngineError(
      'bad-request',
      `the archive is broken: ${what} is not JSON: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function invalid(why: string): EngineError {
  return new EngineError('bad-request', `the archive is broken: ${why}`);
}
