import { type Digest, isDigest, parseDigest } from '../../oci/digest.ts';
import { NameInvalidError } from '../../oci/errors.ts';
import { isTag, parseRepositoryName } from '../../oci/reference.ts';
import type { Precondition } from '../../storage/catalog/preconditions.ts';
import { RegistryError } from '../errors.ts';
import { entityTagsOf, matchesStrongly } from '../http/conditional.ts';
import type { RequestContext } from '../request-context.ts';

export type ManifestReferenceParameter =
  | { readonly kind: 'digest'; readonly digest: Digest }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'invalid'; readonly text: string };

/**
 * Returns the repository in a request's path. It must not be percent-encoded: names have no characters that need it,
 * and intermediaries (proxies, access rules) read `%2F` in more than one way. Throws NameInvalidError.
 */
export function repositoryOf(ctx: RequestContext): string {
  const name = ctx.params.name ?? '';
  if (!ctx.path.startsWith(registryPath(ctx, `${name}/`))) {
    throw new NameInvalidError('the repository name must not be percent-encoded');
  }
  return parseRepositoryName(name);
}

/** Parses the digest in a request's path. Throws DigestInvalidError. */
export function digestOf(ctx: RequestContext): Digest {
  return parseDigest(ctx.params.digest ?? '');
}

/** Parses `<reference>` (distribution-spec, "Pulling manifests"). Only a digest has a colon. */
export function manifestReferenceOf(ctx: RequestContext): ManifestReferenceParameter {
  const text = ctx.params.reference ?? '';
  if (isDigest(text)) return { kind: 'digest', digest: text };
  return isTag(text) ? { kind: 'tag', tag: text } : { kind: 'invalid', text };
}

/** Returns a query parameter; the first one when it is repeated. */
export function queryOf(ctx: RequestContext, name: string): string | undefined {
  return queriesOf(ctx, name)[0];
}

/** Returns all values of a query parameter, in order. */
export function queriesOf(ctx: RequestContext, name: string): readonly string[] {
  const value = ctx.query[name];
  return value === undefined || Array.isArray(value) ? (value ?? []) : [value];
}

/**
 * Returns a path of this API for clients, such as `/v2/team/app/blobs/sha256:…` for `team/app/blobs/sha256:…`. Without
 * scheme and host: every client accepts that, behind any proxies.
 */
export function registryPath(ctx: RequestContext, rest: string): string {
  return `${ctx.state.pathPrefix}/v2/${rest}`;
}

/** Throws RegistryError when the client expects another entity (RFC 9110, section 13.1.1). */
export function refuseMismatch(ctx: RequestContext, digest: Digest): void {
  const condition = ctx.get('If-Match');
  if (condition === '' || matchesStrongly(condition, digest)) return;
  throw new RegistryError('PRECONDITION_FAILED', `it is ${digest}, which If-Match does not match`);
}

/** Returns the precondition of a change (RFC 9110, sections 13.1.1 and 13.1.2); undefined without one. */
export function preconditionOf(ctx: RequestContext): Precondition | undefined {
  const is = ctx.get('If-Match');
  const isNot = ctx.get('If-None-Match');
  if (is === '' && isNot === '') return undefined;
  return {
    ...(is !== '' && { is: digestsOf(is, 'strong') }),
    ...(isNot !== '' && { isNot: digestsOf(isNot, 'weak') }),
  };
}

function digestsOf(header: string, comparison: 'strong' | 'weak'): 'anything' | readonly string[] {
  const tags = entityTagsOf(header).filter(({ weak }) => comparison === 'weak' || !weak);
  return tags.some(({ text, quoted }) => text === '*' && !quoted) ? 'anything' : tags.map(({ text }) => text);
}
