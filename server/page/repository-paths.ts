import type { Browse } from '../browse/browse.ts';
import type { RequestContext } from '../request-context.ts';
import { pathOf } from './page-context.ts';

/** What the pages about one repository work with. */
export interface RepositoryPage {
  readonly browse: Browse;
  readonly repository: string;
}

/** A manifest of a repository. */
export type Reference = { readonly digest: string } | { readonly tag: string };

/** Names, tags and digests have no character that an address would need to escape; what is none of them is escaped. */
function safe(text: string): string {
  return text.split('/').map(encodeURIComponent).join('/').replaceAll('%3A', ':');
}

/** The page of a repository, or what stands after `/-/` below it. */
export function repositoryPath(
  ctx: RequestContext,
  name: string,
  below = '',
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  return pathOf(ctx, `/repositories/${safe(name)}${below === '' ? '' : `/-/${below}`}`, query);
}

export function referencePath(ctx: RequestContext, name: string, reference: Reference): string {
  return 'tag' in reference
    ? repositoryPath(ctx, name, `tags/${safe(reference.tag)}`)
    : repositoryPath(ctx, name, `manifests/${safe(reference.digest)}`);
}

/** A reference as people write it. */
export function referenceText(reference: Reference): string {
  return 'tag' in reference ? reference.tag : reference.digest;
}
