import {
  type BrowsedRepository,
  type Listed,
  REPOSITORY_SORTS,
  type RepositorySort,
} from '../../storage/catalog/browse/browse-catalog.ts';
import type { Browse } from '../browse/browse.ts';
import { showPage } from '../login/answer-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { formatBytes, formatCount, timeOf } from './format.ts';
import { afterOf, type ListQuery, readListQuery } from './list-query.ts';
import { pathOf, visitorName } from './page-context.ts';
import { command, empty, pageHead, pager, table } from './parts.ts';
import { repositoryPath } from './repository-paths.ts';
import { listTabs } from './tag-search-page.ts';

const ON_PAGE = 50;

const SORTS: Readonly<Record<RepositorySort, string>> = {
  name: 'name',
  size: 'size',
  pushed: 'last push',
  pulled: 'last pull',
};

/** Adds the page of the repositories that the visitor may see. */
export function addRepositoriesPage(router: RequestRouter, browse: Browse): void {
  router.get('/', async (ctx) => {
    const query = readListQuery(ctx, REPOSITORY_SORTS, 'name');
    const { after, search, sort } = query;
    const found = await browse.repositories(ctx.state.identity, {
      sort,
      limit: ON_PAGE,
      ...(search !== '' && { search }),
      ...(after !== undefined && { after }),
    });
    const isEmpty = found.entries.length === 0 && search === '' && after === undefined;
    showPage(ctx, {
      title: 'Repositories',
      main: isEmpty
        ? firstSteps(ctx)
        : html`${pageHead('Repositories')}${listTabs(ctx, 'repositories')}${searchForm(ctx, query)}${list(ctx, query, found)}`,
    });
  });
}

function searchForm(ctx: RequestContext, { search, sort }: ListQuery<RepositorySort>): Html {
  const options = REPOSITORY_SORTS.map(
    (one) => html`<option value="${one}"${one === sort ? html` selected` : ''}>${SORTS[one]}</option>`,
  );
  return html`<form class="filter" role="search" method="get" action="${pathOf(ctx, '/')}" data-live="found">
<div class="grow"><label for="q">Search</label><input id="q" name="q" type="search" value="${search}" placeholder="Name or description" autocomplete="off" maxlength="255"></div>
<div><label for="sort">Sort by</label><select id="sort" name="sort">${options}</select></div><button>Search</button></form>`;
}

function list(
  ctx: RequestContext,
  { after, search, sort }: ListQuery<RepositorySort>,
  found: Listed<BrowsedRepository>,
): Html {
  const rows = found.entries.map(({ description, lastPull, lastPush, name, size, tags }) => [
    html`<a href="${repositoryPath(ctx, name)}">${name}</a>${description !== undefined && html`<span class="small">${shortened(description)}</span>`}`,
    formatCount(tags),
    formatBytes(size),
    timeOf(lastPush),
    timeOf(lastPull),
  ]);
  const content =
    rows.length === 0
      ? empty(
          'Nothing found',
          html`<p>No repository that you may see has “${search}” in its name or description.</p>`,
        )
      : table(
          'Repositories',
          [
            { head: 'Name' },
            { head: 'Tags', kind: 'wide number' },
            { head: 'Size', kind: 'number' },
            { head: 'Last push' },
            { head: 'Last pull', kind: 'wide' },
          ],
          rows,
        );
  const query = { q: search, sort: sort === 'name' ? undefined : sort };
  const next = afterOf(found);
  return html`<div id="found" aria-live="polite">${content}${pager(
    after === undefined ? undefined : pathOf(ctx, '/', query),
    next === undefined ? undefined : pathOf(ctx, '/', { ...query, after: next }),
  )}</div>`;
}

function shortened(text: string): string {
  return text.length > 160 ? `${text.slice(0, 159).trimEnd()}…` : text;
}

/** Shows the first steps to somebody without any repositories. */
function firstSteps(ctx: RequestContext): Html {
  const { host } = ctx.state.origin;
  const name = visitorName(ctx);
  const hasLogins = ctx.state.offers?.logins ?? false;
  if (hasLogins && name === undefined) {
    return html`${pageHead('Repositories')}${empty(
      'Nothing is public here',
      html`<p>Log in to see the repositories that you may use.</p><p><a class="button main" href="${pathOf(ctx, '/auth/', { return: pathOf(ctx, '/') })}">Log in</a></p>`,
    )}`;
  }
  return html`${pageHead('Repositories')}<div class="sheet empty"><h2>No repositories yet</h2><p>A repository begins with its first push:</p>
${name !== undefined && command(`docker login --username ${name} ${host}`)}
${command('docker pull docker.io/library/alpine')}
${command(`docker tag alpine ${host}/team/alpine`)}
${command(`docker push ${host}/team/alpine`)}
${hasLogins && html`<p class="small">Make a token for docker on <a href="${pathOf(ctx, '/account')}">your account</a>: it replaces your password.</p>`}</div>`;
}
