import type { Browse } from '../browse/browse.ts';
import type { RequestContext } from '../request-context.ts';
import { pathOf } from './page-context.ts';

/** Dependencies of the pages about one repository. */
export interface RepositoryPage {
  readonly browse: Browse;
  readonly repository: string;
}

/** A manifest of a repository. */
export type Reference = { readonly digest: string } | { readonly tag: string };

/** Escapes a text for an address, unless it is a name, tag or digest, which need no escaping. */
function safe(text: string): string {
  return text.split('/').map(encodeURIComponent).join('/').replaceAll('%3A', ':');
}

/** Returns the path of a repository's page, or of a page after `/-/` below it. */
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

/** Formats a reference as people write it. */
export function referenceText(reference: Reference): string {
  return 'tag' in reference ? reference.tag : reference.digest;
}
