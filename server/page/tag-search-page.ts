import type { FoundTag, Listed } from '../../storage/catalog/browse/browse-catalog.ts';
import type { Browse } from '../browse/browse.ts';
import { showPage } from '../login/answer-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { shortDigest, timeOf } from './format.ts';
import { afterOf, readListQuery } from './list-query.ts';
import { pathOf } from './page-context.ts';
import { empty, pageHead, pager, table, tabs } from './parts.ts';
import { referencePath, repositoryPath } from './repository-paths.ts';

const ON_PAGE = 50;

/** Adds the search for tags of all repositories that the visitor may see, by prefix. */
export function addTagSearchPage(router: RequestRouter, browse: Browse): void {
  router.get('/tags', async (ctx) => {
    const { after, search } = readListQuery(ctx, ['name'], 'name');
    const found =
      search === ''
        ? { entries: [] }
        : await browse.findTags(ctx.state.identity, {
            prefix: search,
            limit: ON_PAGE,
            ...(after !== undefined && { after }),
          });
    showPage(ctx, {
      title: 'Tags',
      main: html`${pageHead('Tags')}${listTabs(ctx, 'tags')}${searchForm(ctx, search)}<div id="found" aria-live="polite">${
        search === '' ? '' : list(ctx, search, found)
      }${pager(
        after === undefined ? undefined : pathOf(ctx, '/tags', { q: search }),
        found.next === undefined ? undefined : pathOf(ctx, '/tags', { q: search, after: afterOf(found) }),
      )}</div>`,
    });
  });
}

/** Renders links between the list of repositories and the search for tags. */
export function listTabs(ctx: RequestContext, current: 'repositories' | 'tags'): Html {
  return tabs('Lists', [
    { href: pathOf(ctx, '/'), text: 'Repositories', isCurrent: current === 'repositories' },
    { href: pathOf(ctx, '/tags'), text: 'Tags', isCurrent: current === 'tags' },
  ]);
}

function searchForm(ctx: RequestContext, search: string): Html {
  return html`<form class="filter" role="search" method="get" action="${pathOf(ctx, '/tags')}" data-live="found">
<div class="grow"><label for="q">Tag begins with</label><input id="q" name="q" type="search" value="${search}" placeholder="Such as 1.2" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="128"></div><button>Search</button></form>`;
}

function list(ctx: RequestContext, search: string, { entries }: Listed<FoundTag>): Html {
  if (entries.length === 0) {
    return empty(
      'Nothing found',
      html`<p>No tag that you may see begins with “${search}”. Case matters.</p>`,
    );
  }
  const rows = entries.map(({ digest, name, pushedAt, pushedBy, repository }) => [
    html`<a href="${referencePath(ctx, repository, { tag: name })}">${name}</a>`,
    html`<a href="${repositoryPath(ctx, repository)}">${repository}</a>`,
    html`${timeOf(pushedAt)}${pushedBy !== undefined && html`<span class="small">${pushedBy}</span>`}`,
    html`<span class="mono">${shortDigest(digest)}</span>`,
  ]);
  const columns = [
    { head: 'Tag' },
    { head: 'Repository', kind: 'text' },
    { head: 'Pushed', kind: 'wide' },
    { head: 'Digest', kind: 'wide' },
  ] as const;
  return table('Tags', columns, rows);
}
