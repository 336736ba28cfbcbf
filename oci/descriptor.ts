import { type Digest, isDigest } from './digest.ts';
import { ManifestInvalidError } from './errors.ts';
import { isJsonObject, optionalObject, optionalString, optionalStringMap, optionalStrings } from './json.ts';
import { isForeignLayer, isMediaType } from './media-types.ts';

/** Points at content (image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly platform?: DescriptorPlatform;
}

/** What a manifest in an index runs on (image-spec, image-index.md); `unknown` in BuildKit's attestations. */
export interface DescriptorPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
}

/** Longest platform that is kept, in characters. */
const LONGEST_PLATFORM = 64;

/** Such as `linux/arm64/v8`; undefined for an unknown platform, as attestations have, and one that is no plain text. */
export function platformText(platform: DescriptorPlatform | undefined): string | undefined {
  if (platform === undefined) return undefined;
  const { os, architecture, variant } = platform;
  if (os === '' || os === 'unknown' || architecture === '') return undefined;
  const text = variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
  return text.length <= LONGEST_PLATFORM && /^[!-~]+$/.test(text) ? text : undefined;
}

/** Checks one descriptor. `where` names it in the message, as in `layers[2]`. Throws ManifestInvalidError. */
export function readDescriptor(value: unknown, where: string): Descriptor {
  if (!isJsonObject(value)) throw new ManifestInvalidError(`${where} must be a descriptor object`);
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== 'string' || !isMediaType(mediaType)) {
    throw new ManifestInvalidError(`${where}: "mediaType" must be a media type such as application/json`);
  }
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw new ManifestInvalidError(
      `${where}: "digest" must be sha256: and 64 or sha512: and 128 lower-case hex digits`,
    );
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new ManifestInvalidError(`${where}: "size" must be a number of bytes`);
  }
  const urls = optionalStrings(value, 'urls', where);
  const annotations = optionalStringMap(value, 'annotations', where);
  const artifactType = optionalString(value, 'artifactType', where);
  const platform = readPlatform(value, where);
  return {
    mediaType,
    digest,
    size,
    ...(urls && { urls }),
    ...(annotations && { annotations }),
    ...(artifactType && { artifactType }),
    ...(platform && { platform }),
  };
}

/** Whether the content may lie elsewhere, so that a registry need not have it (image-spec, layer.md). */
export function isForeign(descriptor: Descriptor): boolean {
  return (descriptor.urls?.length ?? 0) > 0 || isForeignLayer(descriptor.mediaType);
}

function readPlatform(
  descriptor: Readonly<Record<string, unknown>>,
  where: string,
): DescriptorPlatform | undefined {
  const platform = optionalObject(descriptor, 'platform', where);
  if (platform === undefined) return undefined;
  const what = `${where}.platform`;
  const variant = optionalString(platform, 'variant', what);
  const version = optionalString(platform, 'os.version', what);
  return {
    os: optionalString(platform, 'os', what) ?? '',
    architecture: optionalString(platform, 'architecture', what) ?? '',
    ...(variant && { variant }),
    ...(version && { 'os.version': version }),
  };
}
