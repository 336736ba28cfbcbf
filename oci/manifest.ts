import { type Digest, isDigest } from './digest.ts';
import { ManifestInvalidError } from './errors.ts';
import {
  isJsonObject,
  type JsonObject,
  optionalArray,
  optionalObject,
  optionalString,
  optionalStringMap,
  optionalStrings,
  parseJsonObject,
} from './json.ts';
import {
  isDockerSchema1,
  isForeignLayer,
  isIndex,
  isManifest,
  isMediaType,
  MEDIA_TYPES,
} from './media-types.ts';

/** A content descriptor (image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Size in bytes. */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly platform?: DescriptorPlatform;
}

/** The platform of a manifest in an index (image-spec, image-index.md); `unknown` in BuildKit's attestations. */
export interface DescriptorPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
}

/** Maximum characters of a platform. */
const LONGEST_PLATFORM = 64;

/**
 * Formats a platform such as `linux/arm64/v8`; undefined for an unknown one, as attestations have, and for one with
 * other characters.
 */
export function platformText(platform: DescriptorPlatform | undefined): string | undefined {
  if (platform === undefined) return undefined;
  const { os, architecture, variant } = platform;
  if (os === '' || os === 'unknown' || architecture === '') return undefined;
  const text = variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
  return text.length <= LONGEST_PLATFORM && /^[!-~]+$/.test(text) ? text : undefined;
}

/** Checks one descriptor. `where`, such as `layers[2]`, names it in the message. Throws ManifestInvalidError. */
function readDescriptor(value: unknown, where: string): Descriptor {
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

/** Reports whether the content may be stored elsewhere, so that a registry need not have it (image-spec, layer.md). */
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

/** A reference from a manifest to other content. */
export interface ManifestReference {
  readonly digest: Digest;
  /** `foreign-layer`: may be stored elsewhere, but is kept if it exists here. */
  readonly kind: 'config' | 'layer' | 'foreign-layer' | 'manifest' | 'subject';
  /** Platform of an index member, such as `linux/arm64/v8`; absent if the index states none. */
  readonly platform?: string;
}

/** Maximum bytes of a manifest (distribution-spec, "Pushing manifests": at least 4 MiB). */
export const MAX_MANIFEST_SIZE = 4 * 1024 * 1024;

/** A parsed manifest or index (image-spec, manifest.md and image-index.md). */
export interface Manifest {
  readonly mediaType: string;
  /** Absent in an index. */
  readonly config?: Descriptor;
  /** Lowest first; empty for an index. */
  readonly layers: readonly Descriptor[];
  /** Members of an index; empty for other manifests. */
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  /** `artifactType`, or the media type of the config, as in referrers lists. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Each digest and kind once, without foreign layers, which a registry need not have. */
  readonly references: readonly ManifestReference[];
}

/**
 * Parses an OCI image manifest or index, a docker schema 2 manifest or manifest list. `mediaType` is its Content-Type,
 * without parameters; without one, the body decides. Throws ManifestInvalidError.
 */
export function readManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  if (bytes.byteLength > MAX_MANIFEST_SIZE) {
    throw new ManifestInvalidError(`the manifest is larger than ${MAX_MANIFEST_SIZE} bytes`);
  }
  if (mediaType !== undefined) refuseUnknown(mediaType);
  const body = parseJsonObject(bytes, 'the manifest');
  const type = decideType(body, mediaType);
  if (body.schemaVersion !== 2) throw new ManifestInvalidError('the manifest: "schemaVersion" must be 2');
  const content = isIndex(type) ? readIndexContent(body) : readImageContent(body);
  const subject = isSet(body.subject) ? readDescriptor(body.subject, 'subject') : undefined;
  const annotations = optionalStringMap(body, 'annotations', 'the manifest');
  const artifactType =
    optionalString(body, 'artifactType', 'the manifest') || content.config?.mediaType || undefined;
  if (artifactType !== undefined && /\p{Cc}/u.test(artifactType)) {
    throw new ManifestInvalidError(
      'the manifest: "artifactType" must be a media type such as application/json',
    );
  }
  return {
    mediaType: type,
    ...content,
    ...(subject && { subject }),
    ...(artifactType && { artifactType }),
    ...(annotations && { annotations }),
    references: collectReferences(content, subject),
  };
}

type Content = Pick<Manifest, 'config' | 'layers' | 'manifests'>;

function readIndexContent(body: JsonObject): Content {
  // A document that some readers take for an image and others for an index could hide either.
  if (isSet(body.config) || isSet(body.layers)) {
    throw new ManifestInvalidError('the index must not have "config" or "layers"');
  }
  const members = requiredArray(body, 'manifests');
  const manifests = members.map((value, position) => readDescriptor(value, `manifests[${position}]`));
  return { layers: [], manifests };
}

function readImageContent(body: JsonObject): Content {
  if (isSet(body.manifests)) throw new ManifestInvalidError('the image manifest must not have "manifests"');
  if (!isSet(body.config)) throw new ManifestInvalidError('the manifest: "config" is missing');
  return {
    config: readDescriptor(body.config, 'config'),
    layers: requiredArray(body, 'layers').map((value, position) =>
      readDescriptor(value, `layers[${position}]`),
    ),
    manifests: [],
  };
}

/** Go clients send an empty list as null. */
function requiredArray(body: JsonObject, key: string): readonly unknown[] {
  if (body[key] === undefined) throw new ManifestInvalidError(`the manifest: "${key}" is missing`);
  return optionalArray(body, key, 'the manifest') ?? [];
}

function refuseUnknown(mediaType: string): void {
  if (isDockerSchema1(mediaType)) {
    throw new ManifestInvalidError(
      'docker schema 1 manifests are not supported: push the image again with docker 1.10 or later',
    );
  }
  if (mediaType === MEDIA_TYPES.ociArtifact) {
    throw new ManifestInvalidError(
      'artifact manifests were removed before version 1.1 of the specification: push an image manifest with an ' +
        '"artifactType", as oras does from version 1.0 on',
    );
  }
  if (!isIndex(mediaType) && !isManifest(mediaType)) {
    throw new ManifestInvalidError(
      `the media type ${JSON.stringify(mediaType.slice(0, 160))} is not that of a manifest: ` +
        `expected ${MEDIA_TYPES.ociManifest}, ${MEDIA_TYPES.ociIndex} or docker's`,
    );
  }
}

function decideType(body: JsonObject, contentType: string | undefined): string {
  const inBody = optionalString(body, 'mediaType', 'the manifest');
  if (body.schemaVersion === 1) refuseUnknown(MEDIA_TYPES.dockerSchema1);
  if (inBody !== undefined) {
    if (contentType !== undefined && inBody !== contentType) {
      throw new ManifestInvalidError(
        `the manifest states the media type ${JSON.stringify(inBody.slice(0, 160))}, but was sent as ${contentType}`,
      );
    }
    refuseUnknown(inBody);
    return inBody;
  }
  const type = contentType ?? (isSet(body.manifests) ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest);
  if (type === MEDIA_TYPES.dockerIndex || type === MEDIA_TYPES.dockerManifest) {
    throw new ManifestInvalidError('the manifest: "mediaType" is missing, which docker\'s types must have');
  }
  return type;
}

function collectReferences(content: Content, subject: Descriptor | undefined): readonly ManifestReference[] {
  const found = new Map<string, ManifestReference>();
  const add = (kind: ManifestReference['kind'], { digest }: Descriptor, platform?: string) => {
    found.set(`${kind} ${digest}`, { kind, digest, ...(platform !== undefined && { platform }) });
  };
  if (content.config !== undefined) add('config', content.config);
  for (const layer of content.layers) add(isForeign(layer) ? 'foreign-layer' : 'layer', layer);
  for (const member of content.manifests) add('manifest', member, platformText(member.platform));
  if (subject !== undefined) add('subject', subject);
  return [...found.values()];
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}
