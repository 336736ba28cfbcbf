/** Media types that the registry and its clients handle (image-spec, media-types.md; docker's own). */
export const MEDIA_TYPES = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  /** From release candidates of image-spec 1.1. */
  ociArtifact: 'application/vnd.oci.artifact.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
} as const;

/** Maximum characters of a media type with its parameters. */
const LONGEST = 1024;
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}$/;
const TOKEN = /^[a-zA-Z0-9!#$%&'*+.^_`|~-]+$/;

/**
 * Reports whether `text` is a media type: a type and a subtype (RFC 6838, section 4.2) and any number of parameters, as
 * in `text/plain; charset=utf-8` (RFC 9110, section 8.3.1). Linear time.
 */
export function isMediaType(text: string): boolean {
  if (text.length > LONGEST || isBlank(text[0])) return false;
  const [essence = '', ...parameters] = splitParameters(text);
  const [type = '', subtype = '', ...rest] = trimBlanks(essence).split('/');
  return rest.length === 0 && NAME.test(type) && NAME.test(subtype) && parameters.every(isParameter);
}

/** Splits at each semicolon outside quotes. */
function splitParameters(text: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted && character === '\\') at++;
    else if (character === '"') quoted = !quoted;
    else if (character === ';' && !quoted) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** An empty parameter is legal (RFC 9110, section 5.6.6). */
function isParameter(text: string): boolean {
  const parameter = trimBlanks(text);
  if (parameter === '') return true;
  const equals = parameter.indexOf('=');
  return (
    equals > 0 && TOKEN.test(parameter.slice(0, equals)) && isParameterValue(parameter.slice(equals + 1))
  );
}

function isParameterValue(value: string): boolean {
  return TOKEN.test(value) || /^"(?:[^"\\\p{Cc}]|\\[^\p{Cc}])*"$/u.test(value);
}

function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

/** Reports whether it is a list of manifests: an OCI index or a docker manifest list. */
export function isIndex(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerIndex;
}

/** Reports whether it is a manifest of one image or artifact: config and layers. */
export function isManifest(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociManifest || mediaType === MEDIA_TYPES.dockerManifest;
}

export function isDockerSchema1(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.dockerSchema1 || mediaType === MEDIA_TYPES.dockerSchema1Signed;
}

/**
 * Reports whether it is a layer that its publisher does not allow to be redistributed, so that registries need not have
 * it.
 */
export function isForeignLayer(mediaType: string): boolean {
  return (
    mediaType.startsWith('application/vnd.docker.image.rootfs.foreign.') ||
    mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.')
  );
}
