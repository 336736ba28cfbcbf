import type { Digest } from '../../oci/digest.ts';
import { printable } from '../../oci/distribution/errors.ts';
import { verifiedBlob } from '../../oci/distribution/read-body.ts';
import type { FetchedManifest, RegistryRepository } from '../../oci/distribution/registry-repository.ts';
import { OciError } from '../../oci/errors.ts';
import { type ImageConfig, MAX_CONFIG_SIZE, readImageConfig } from '../../oci/image-config.ts';
import { refuseTooManyValues } from '../../oci/json.ts';
import { type Descriptor, type Manifest, readManifest } from '../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import { familiarReference, type ImageReference } from '../../oci/reference.ts';
import { checkEntries } from '../bounds.ts';
import { EngineError } from '../errors.ts';
import type { Platform } from './image.ts';
import { MAX_IMAGE_LAYERS } from './limits.ts';
import { choosePlatform, hostPlatform, platformText } from './platform.ts';

/** The image of a reference for this host. */
export interface ResolvedImage {
  /** Digest of the referenced object: the index if it is one. */
  readonly pulledDigest: Digest;
  readonly manifest: FetchedManifest;
  readonly id: Digest;
  readonly configBytes: Uint8Array;
  readonly layers: readonly PlannedLayer[];
}

export interface ResolveOptions {
  readonly repository: RegistryRepository;
  readonly reference: ImageReference;
  readonly platform: Platform | undefined;
  /** Returns a configuration that is already on this host. */
  readonly findConfig: (id: Digest) => Promise<Uint8Array | undefined>;
  readonly signal: AbortSignal;
}

const CONFIG_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig]);
const GENERIC_TYPES: ReadonlySet<string> = new Set([
  '',
  'application/json',
  'application/octet-stream',
  'text/plain',
]);
/** Maximum depth of nested indexes. */
const MAX_DEPTH = 3;

/**
 * Fetches the manifest of a reference, chooses the image for the platform if it is an index, and fetches the
 * configuration. Throws EngineError, 'bad-request' for content that is not an image.
 */
export async function resolveImage(options: ResolveOptions): Promise<ResolvedImage> {
  const { repository, reference, signal } = options;
  const first = await repository.fetchManifest(reference.digest ?? reference.tag ?? 'latest', signal);
  const { manifest, fetched } = await descend(options, first);
  const { config: descriptor } = manifest;
  if (descriptor === undefined || !CONFIG_TYPES.has(descriptor.mediaType)) {
    throw new EngineError(
      'bad-request',
      `${familiarReference(reference)} is not a container image: its configuration is of the type ${descriptor?.mediaType}`,
    );
  }
  if (descriptor.size > MAX_CONFIG_SIZE) {
    throw new EngineError(
      'bad-request',
      `the configuration ${descriptor.digest} is larger than ${MAX_CONFIG_SIZE} bytes`,
    );
  }
  const configBytes =
    (await options.findConfig(descriptor.digest)) ??
    (await readWhole(verifiedBlob(descriptor, repository.readBlob(descriptor, signal))));
  const config = await readReceivedConfig(configBytes);
  checkPlatform(config, options);
  return {
    pulledDigest: first.digest,
    manifest: fetched,
    id: descriptor.digest,
    configBytes,
    layers: planLayers(manifest.layers, config.diffIds),
  };
}

async function descend(
  { repository, reference, platform, signal }: ResolveOptions,
  first: FetchedManifest,
): Promise<{ readonly manifest: Manifest; readonly fetched: FetchedManifest }> {
  let fetched = first;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const { bytes, mediaType } = fetched;
    // Servers of plain files send such types; the manifest itself decides.
    const isVague = GENERIC_TYPES.has(mediaType);
    const manifest = await readReceivedManifest(bytes, isVague ? undefined : mediaType);
    if (manifest.config !== undefined) return { manifest, fetched };
    const wanted = platform ?? hostPlatform();
    const member = choosePlatform(manifest.manifests, wanted);
    if (member === undefined) {
      throw new EngineError(
        'not-found',
        `no matching manifest for ${platformText(wanted)} in the manifest list entries`,
      );
    }
    fetched = await repository.fetchManifest(member.digest, signal);
  }
  throw new EngineError('bad-request', `${familiarReference(reference)} is an index of indexes of indexes`);
}

function checkPlatform(config: ImageConfig, { platform, reference }: ResolveOptions): void {
  if (config.os !== 'linux') {
    throw new EngineError(
      'bad-request',
      `image operating system "${printable(config.os.slice(0, 100))}" cannot be used on this platform: operating system is not supported`,
    );
  }
  if (platform === undefined || platform.architecture === config.architecture) return;
  throw new EngineError(
    'not-found',
    `image with reference ${familiarReference(reference)} was found but does not match the specified platform: wanted ${platformText(platform)}, actual: ${printable(platformText(config))}`,
  );
}

async function readWhole(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The source of a document, for messages. */
type Origin = 'image' | 'archive' | 'cache';

/** Reads a manifest or index of a registry or an archive, as readManifest does. Throws EngineError 'bad-request'. */
export async function readReceivedManifest(
  bytes: Uint8Array,
  mediaType?: string,
  origin: Origin = 'image',
): Promise<Manifest> {
  return await readReceived(bytes, 'the manifest', origin, () => readManifest(bytes, mediaType));
}

/**
 * Reads the configuration of an image from a registry or an archive. Refuses one whose lists and maps have more entries than a container may
 * have: the agent keeps and shows them. Throws EngineError 'bad-request'.
 */
export async function readReceivedConfig(bytes: Uint8Array, origin: Origin = 'image'): Promise<ImageConfig> {
  const config = await readReceived(bytes, 'the image configuration', origin, () => readImageConfig(bytes));
  checkEntries(config, 'image');
  return config;
}

/** Refuses JSON of too many values before `read` parses it. Throws EngineError 'bad-request'; `what` begins its message. */
export async function readReceived<T>(
  bytes: Uint8Array,
  what: string,
  origin: Origin,
  read: () => T,
): Promise<T> {
  try {
    await refuseTooManyValues(bytes, what);
    return read();
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    throw new EngineError('bad-request', `the ${origin} is broken: ${error.message}`, { cause: error });
  }
}

/** A layer of an image: its blob and its diff ID. */
export interface PlannedLayer {
  readonly blob: Descriptor;
  readonly diffId: Digest;
}

const LAYER_TYPE =
  /^application\/vnd\.(?:oci\.image\.layer\.|docker\.image\.rootfs\.)[a-z0-9.]*tar(?:[.+](?:gzip|zstd))?$/;

/**
 * Pairs the layers of a manifest with the diff IDs of its configuration, lowest first, each diff ID once. Throws
 * EngineError 'bad-request' when they do not match or a layer has a type that cannot be a file system.
 */
export function planLayers(
  layers: readonly Descriptor[],
  diffIds: readonly Digest[],
): readonly PlannedLayer[] {
  if (layers.length !== diffIds.length) {
    throw new EngineError(
      'bad-request',
      `the image is broken: its manifest has ${layers.length} layers and its configuration ${diffIds.length}`,
    );
  }
  checkLayerCount(layers.length);
  const planned = new Map<Digest, PlannedLayer>();
  for (const [index, blob] of layers.entries()) {
    if (!LAYER_TYPE.test(blob.mediaType)) {
      throw new EngineError(
        'bad-request',
        `layer ${blob.digest} is of the type ${blob.mediaType}, which is not a layer of a container image`,
      );
    }
    const diffId = diffIds[index] as Digest;
    if (!planned.has(diffId)) planned.set(diffId, { blob, diffId });
  }
  return [...planned.values()];
}

/**
 * Refuses an image that could not run, because it has too many layers, before they are fetched. Throws EngineError
 * 'bad-request'.
 */
export function checkLayerCount(count: number): void {
  if (count <= MAX_IMAGE_LAYERS) return;
  throw new EngineError(
    'bad-request',
    `the image has ${count} layers, and the kernel can mount ${MAX_IMAGE_LAYERS}: build it again with fewer`,
  );
}

/** Returns the twelve digits with which docker's progress names a layer. */
export function shortDigest(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}
