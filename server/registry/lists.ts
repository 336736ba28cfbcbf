import type { Visible } from '../../auth/access/access.ts';
import { CATALOG_SCOPE, repositoryScope } from '../../auth/access/scope.ts';
import { Pace } from '../../lib/sync/pace.ts';
import type { NamePage, Page, RepositoryCatalog } from '../../storage/catalog/catalog.ts';
import { NameUnknownError } from '../../storage/errors.ts';
import { answerJson, answerReady, readyJson } from '../http/answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { authorize } from './authorize.ts';
import { linkAfter, pageOf } from './paging.ts';
import { repositoryOf } from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

const EMPTY = { names: [], more: false };

/** `GET /v2/_catalog`, the names of all repositories that the client may pull from (Docker registry API, "Listing Repositories"). */
export function addCatalogRoutes(router: RequestRouter, { access, catalog }: RegistryDependencies): void {
  router.get('/v2/_catalog', async (ctx) => {
    authorize(ctx, access, CATALOG_SCOPE);
    const page = pageOf(ctx);
    const { names, more } =
      page.limit === 0
        ? EMPTY
        : await listVisible(catalog.repositories, access.visible(ctx.state.identity), page, ctx.state.signal);
    answerJson(
      ctx,
      200,
      { repositories: names },
      { Link: linkAfter(ctx, page, more ? names.at(-1) : undefined) },
    );
  });
}

/** Minimum names per read. */
const BATCH = 100;

/** Cost of reading a name and looking for a right to it, in steps of Pace. */
const STEPS_OF_NAME = 20;

/**
 * Returns a page of the repositories that an identity may see, as if there were no others: neither its length nor its
 * end reveals them. It reads only ranges of names that can contain visible ones, and each query skips ranges without
 * any.
 */
export async function listVisible(
  repositories: Pick<RepositoryCatalog, 'list'>,
  visible: Visible,
  { limit, after }: Page,
  signal: AbortSignal,
): Promise<NamePage> {
  const names: string[] = [];
  const batch = Math.max(BATCH, limit + 1);
  const pace = new Pace();
  let last = after;
  for (const prefix of visible.prefixes) {
    while (mayFollow(prefix, last)) {
      signal.throwIfAborted();
      const from = latest(last, justBefore(prefix));
      const page = await repositories.list({ limit: batch, ...(from !== undefined && { after: from }) });
      for (const name of page.names) if (visible.includes(name)) names.push(name);
      await pace.after(STEPS_OF_NAME * page.names.length);
      if (names.length > limit) return { names: names.slice(0, limit), more: true };
      if (!page.more) return { names, more: false };
      last = page.names.at(-1);
    }
  }
  return { names, more: false };
}

/** Reports whether a name that begins with `prefix` can come after `last`. */
function mayFollow(prefix: string, last: string | undefined): boolean {
  return last === undefined || prefix > last || last.startsWith(prefix);
}

/** Returns a text that sorts directly before `prefix` and all names that begin with it: `~` occurs in no name. */
function justBefore(prefix: string): string | undefined {
  if (prefix === '') return undefined;
  return `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) - 1)}~`;
}

function latest(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one > other ? one : other;
}

/** The tags of a repository (distribution-spec, "Listing Tags"). */
export function addTagRoutes(
  router: RequestRouter,
  { access, answers, catalog }: RegistryDependencies,
): void {
  router.get('/v2/*name/tags/list', async (ctx) => {
    const keep = answers.begin(ctx);
    const repository = repositoryOf(ctx);
    const scope = repositoryScope(repository, 'pull');
    authorize(ctx, access, scope);
    const page = pageOf(ctx);
    if (!(await catalog.repositories.exists(repository))) {
      throw new NameUnknownError(`there is no repository ${repository}`);
    }
    const { names, more } = page.limit === 0 ? EMPTY : await catalog.tags.list(repository, page);
    const answer = readyJson(
      { name: repository, tags: names },
      { Link: linkAfter(ctx, page, more ? names.at(-1) : undefined) },
    );
    keep(scope, answer);
    answerReady(ctx, answer);
  });
}
