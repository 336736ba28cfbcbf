import { type Digest, isDigest } from './digest.ts';
import { NameInvalidError, ReferenceInvalidError, TagInvalidError } from './errors.ts';

/** Maximum bytes of a repository name; names are ASCII, so also characters. */
const MAX_REPOSITORY_NAME = 255;

// The next character alone decides each step, so matching takes linear time.
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/**
 * Reports whether `text` is a repository name (distribution-spec, "Pulling manifests": `<name>`) of at most 255 bytes.
 */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_REPOSITORY_NAME && text.split('/').every((part) => COMPONENT.test(part));
}

/** Parses an untrusted repository name. Throws NameInvalidError, which says what is wrong. */
export function parseRepositoryName(text: string): string {
  if (!isRepositoryName(text)) throw new NameInvalidError(complaint(text));
  return text;
}

function complaint(text: string): string {
  if (text === '') return 'the repository name is empty';
  const shown = JSON.stringify(text.slice(0, 80));
  if (text.length > MAX_REPOSITORY_NAME) {
    return `the repository name ${shown}… has ${text.length} characters: at most ${MAX_REPOSITORY_NAME} are allowed`;
  }
  const part = text.split('/').find((candidate) => !COMPONENT.test(candidate)) ?? '';
  if (part === '')
    return `the repository name ${shown} has an empty component: write no slash twice, first or last`;
  if (COMPONENT.test(part.toLowerCase())) return `the repository name ${shown} must be lower case`;
  return (
    `the repository name ${shown} is not valid: the component ${JSON.stringify(part.slice(0, 80))} must consist of ` +
    'lower-case letters and digits, separated by ".", "_", "__" or dashes'
  );
}

const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** Reports whether `text` is a tag (distribution-spec, "Pulling manifests": `<reference>` as a tag). */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** Parses an untrusted tag. Throws TagInvalidError. */
export function parseTag(text: string): string {
  if (!isTag(text)) {
    throw new TagInvalidError(
      `${JSON.stringify(text.slice(0, 160))} is not a tag: expected 1 to 128 letters, digits, "_", "." and "-", ` +
        'of which the first is neither "." nor "-"',
    );
  }
  return text;
}

/** A complete image reference. At least one of `tag` and `digest` is present. */
export interface ImageReference {
  /** `host` or `host:port`; `docker.io` by default. */
  readonly registry: string;
  /** The name inside that registry; `library/alpine` for docker.io's `alpine`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const DOCKER_HUB = 'docker.io';
const OFFICIAL = 'library/';
const HOST =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
/** Maximum length, more than any host, name, tag and digest need together; bounds the work below. */
const MAX_REFERENCE = 1024;

/**
 * Parses `[host[:port]/]name[:tag][@digest]` as docker does: the default host is docker.io, where a name without a
 * slash gets `library/`, and without tag and digest the tag is `latest`. Throws ReferenceInvalidError with docker's
 * message.
 */
export function parseImageReference(text: string): ImageReference {
  if (text.length > MAX_REFERENCE) throw new ReferenceInvalidError('invalid reference format');
  if (/^[a-f0-9]{64}$/.test(text)) {
    throw new ReferenceInvalidError(
      `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`,
    );
  }
  const { registry, rest } = splitRegistry(text);
  const at = rest.indexOf('@');
  const named = at < 0 ? rest : rest.slice(0, at);
  const colon = named.indexOf(':');
  const path = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  const digest = at < 0 ? undefined : rest.slice(at + 1);
  const repository = registry === DOCKER_HUB && !path.includes('/') ? `${OFFICIAL}${path}` : path;

  if (repository !== repository.toLowerCase()) {
    throw new ReferenceInvalidError(
      `invalid reference format: repository name (${repository}) must be lowercase`,
    );
  }
  if (repository.length > MAX_REPOSITORY_NAME) {
    throw new ReferenceInvalidError(
      `repository name must not be more than ${MAX_REPOSITORY_NAME} characters`,
    );
  }
  if (!HOST.test(registry) || !isRepositoryName(repository) || (tag !== undefined && !isTag(tag))) {
    throw new ReferenceInvalidError('invalid reference format');
  }
  if (digest === undefined) return { registry, repository, tag: tag ?? 'latest' };
  if (!isDigest(digest)) throw new ReferenceInvalidError(complaintAboutDigest(digest));
  return { registry, repository, ...(tag === undefined ? {} : { tag }), digest };
}

/** Formats `host/name[:tag][@digest]` in full. */
export function fullReference(reference: ImageReference): string {
  return `${reference.registry}/${reference.repository}${suffix(reference)}`;
}

/** Returns the shortest equivalent text, as `docker images` prints it: `alpine:3`, `host:5000/team/app:1`. */
export function familiarReference(reference: ImageReference): string {
  return `${familiarName(reference)}${suffix(reference)}`;
}

/** Like familiarReference, without tag and digest: the REPOSITORY column of `docker images`. */
export function familiarName(reference: Pick<ImageReference, 'registry' | 'repository'>): string {
  const { registry, repository } = reference;
  if (registry !== DOCKER_HUB) return `${registry}/${repository}`;
  const official = repository.startsWith(OFFICIAL) && !repository.slice(OFFICIAL.length).includes('/');
  return official ? repository.slice(OFFICIAL.length) : repository;
}

function complaintAboutDigest(text: string): string {
  const [, algorithm, hex = ''] = /^([a-zA-Z][a-zA-Z0-9+._-]*):([a-fA-F0-9]{32,})$/.exec(text) ?? [];
  if (algorithm === undefined) return 'invalid reference format';
  if (algorithm !== 'sha256' && algorithm !== 'sha512') return 'unsupported digest algorithm';
  return hex === hex.toLowerCase() ? 'invalid checksum digest length' : 'invalid checksum digest format';
}

function suffix({ tag, digest }: ImageReference): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The part before the first slash is a registry if it cannot be a component of a name on docker.io. */
function splitRegistry(text: string): { readonly registry: string; readonly rest: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isHost = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  if (!isHost) return { registry: DOCKER_HUB, rest: text };
  return { registry: first === `index.${DOCKER_HUB}` ? DOCKER_HUB : first, rest: text.slice(slash + 1) };
}
