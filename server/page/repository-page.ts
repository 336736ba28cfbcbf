import { allowsAction } from '../../auth/access/rights.ts';
import {
  type BrowsedTag,
  type Listed,
  TAG_SORTS,
  type TagSort,
} from '../../storage/catalog/browse/browse-catalog.ts';
import type { RepositoryView } from '../browse/browse.ts';
import { showPage } from '../login/answer-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { counted, formatBytes, formatCount, shortDigest, timeOf } from './format.ts';
import { afterOf, type ListQuery, readListQuery } from './list-query.ts';
import { newsLine } from './live.ts';
import { isArtifact } from './manifest-kind.ts';
import { readmeOf } from './markdown.ts';
import { asked, pathOf } from './page-context.ts';
import { command, empty, facts, notice, pageHead, pager, table, tabs } from './parts.ts';
import { askingLink } from './question.ts';
import { type RepositoryPage, referencePath, repositoryPath } from './repository-paths.ts';

const ON_PAGE = 50;
/** Maximum platforms that a row names. */
const SHOWN_PLATFORMS = 3;

const DONE: Readonly<Record<string, string>> = {
  deleted: 'It is deleted. Garbage collection will free its bytes.',
  restored: 'The tag is restored.',
};

/** Shows the page of a repository: its description and its tags. */
export async function showRepository(
  ctx: RequestContext,
  { browse, repository }: RepositoryPage,
): Promise<void> {
  const { identity } = ctx.state;
  const query = readListQuery(ctx, TAG_SORTS, 'time');
  const { after, search, sort } = query;
  const view = await browse.repository(identity, repository);
  const tags = await browse.tags(identity, repository, {
    sort,
    limit: ON_PAGE,
    ...(search !== '' && { search }),
    ...(after !== undefined && { after }),
  });
  const done = DONE[asked(ctx, 'done')];
  // The description is already above the tags.
  const isMore = view.readme?.text.trim() !== view.description;
  showPage(ctx, {
    title: repository,
    main: html`${repositoryHead(ctx, view, 'tags')}${done !== undefined && notice('good', done)}${newsLine(
      ctx,
      { names: ['push', 'delete', 'restore'], query: { repository } },
      'Tags may have changed since you opened this page.',
    )}
<div class="sheet">${facts([
      ['Tags', formatCount(view.tags)],
      ['Manifests', formatCount(view.manifests)],
      ['Size, each layer once', formatBytes(view.size)],
      ['Last push', timeOf(view.lastPush)],
      ['Last pull', timeOf(view.lastPull)],
      ['Since', timeOf(view.createdAt)],
    ])}${limits(view)}</div>
${view.tags > 0 || search !== '' ? html`${searchForm(ctx, repository, query)}${list(ctx, view, query, tags)}` : noTags(ctx, repository)}
${comparison(ctx, repository)}${await readmeOf(isMore ? view.readme : undefined)}`,
  });
}

/** Renders the head of every page of a repository. */
export function repositoryHead(
  ctx: RequestContext,
  { description, name }: Pick<RepositoryView, 'name' | 'description'>,
  current: 'tags' | 'deleted' | 'access',
): Html {
  return html`${pageHead(name, {
    crumbs: [{ href: pathOf(ctx, '/'), text: 'Repositories' }],
    lead: description,
  })}${tabs('Repository', [
    { href: repositoryPath(ctx, name), text: 'Tags', isCurrent: current === 'tags' },
    { href: repositoryPath(ctx, name, 'deleted'), text: 'Deleted tags', isCurrent: current === 'deleted' },
    ...(ctx.state.session !== undefined && allowsAction(ctx.state.identity.rights, name, 'delete')
      ? [{ href: repositoryPath(ctx, name, 'access'), text: 'Access', isCurrent: current === 'access' }]
      : []),
  ])}`;
}

function limits({ quotas, tagRules }: RepositoryView): Html {
  const bars = quotas.map(
    ({ bytes, pattern, used }) =>
      html`<p>${formatBytes(used)} of the ${formatBytes(bytes)} that <code>${pattern}</code> may hold<progress class="bar" max="${bytes}" value="${Math.min(used, bytes)}" aria-label="Used of the quota"></progress></p>`,
  );
  const rules = tagRules.map(({ kind, tags }) => html`<li class="tag">${tags} ${kind}</li>`);
  return html`${bars}${rules.length > 0 && html`<ul class="list" aria-label="Tag rules">${rules}</ul>`}`;
}

function searchForm(ctx: RequestContext, repository: string, { search, sort }: ListQuery<TagSort>): Html {
  const option = (value: TagSort, text: string) =>
    html`<option value="${value}"${value === sort ? html` selected` : ''}>${text}</option>`;
  return html`<form class="filter" role="search" method="get" action="${repositoryPath(ctx, repository)}" data-live="found">
<div class="grow"><label for="q">Find a tag</label><input id="q" name="q" type="search" value="${search}" autocomplete="off" maxlength="128"></div>
<div><label for="sort">Sort by</label><select id="sort" name="sort">${option('time', 'last push')}${option('name', 'name')}</select></div><button>Search</button></form>`;
}

function list(
  ctx: RequestContext,
  { name, rights }: RepositoryView,
  { after, search, sort }: ListQuery<TagSort>,
  tags: Listed<BrowsedTag>,
): Html {
  const rows = tags.entries.map((tag) => [
    html`<a href="${referencePath(ctx, name, { tag: tag.name })}">${tag.name}</a>`,
    html`${platformsOf(tag)}`,
    tag.size === undefined ? '–' : formatBytes(tag.size),
    html`${timeOf(tag.pushedAt)}${tag.pushedBy !== undefined && html`<span class="small">${tag.pushedBy}</span>`}`,
    timeOf(tag.lastPull),
    html`<a class="mono" href="${referencePath(ctx, name, { digest: tag.digest })}">${shortDigest(tag.digest)}</a>`,
    rights.delete ? askingLink(repositoryPath(ctx, name, 'delete', { reference: tag.name }), 'Delete') : '',
  ]);
  const content =
    rows.length === 0
      ? empty('Nothing found', html`<p>No tag has “${search}” in its name.</p>`)
      : table(
          `Tags of ${name}`,
          [
            { head: 'Tag' },
            { head: 'Platforms', kind: 'wide text' },
            { head: 'Size', kind: 'number' },
            { head: 'Pushed' },
            { head: 'Last pull', kind: 'wide' },
            { head: 'Digest', kind: 'wide' },
            ...(rights.delete ? [{ head: 'Actions', kind: 'wide end' } as const] : []),
          ],
          rows.map((row) => (rights.delete ? row : row.slice(0, -1))),
        );
  const query = { q: search, sort: sort === 'time' ? undefined : sort };
  const next = afterOf(tags);
  return html`<div id="found" aria-live="polite">${content}${pager(
    after === undefined ? undefined : repositoryPath(ctx, name, '', query),
    next === undefined ? undefined : repositoryPath(ctx, name, '', { ...query, after: next }),
  )}</div>`;
}

function platformsOf({ artifactType, platforms }: BrowsedTag): Html {
  if (platforms.length === 0) {
    return html`<span class="soft">${isArtifact(artifactType) ? artifactType : 'image'}</span>`;
  }
  const shown = platforms.slice(0, SHOWN_PLATFORMS).map((platform) => html`<li class="tag">${platform}</li>`);
  const more = platforms.length - shown.length;
  return html`<ul class="list">${shown}${more > 0 && html`<li class="tag">${counted(more, 'more', 'more')}</li>`}</ul>`;
}

function noTags(ctx: RequestContext, repository: string): Html {
  return empty(
    'No tags',
    html`<p>Push the first one:</p>${command(`docker push ${ctx.state.origin.host}/${repository}:latest`)}`,
  );
}

function comparison(ctx: RequestContext, repository: string): Html {
  return html`<details class="sheet"><summary>Compare two tags</summary><form class="filter" method="get" action="${repositoryPath(ctx, repository, 'compare')}">
<div><label for="from">From</label><input id="from" name="from" type="text" required maxlength="255" autocomplete="off"></div>
<div><label for="to">To</label><input id="to" name="to" type="text" required maxlength="255" autocomplete="off"></div><button>Compare</button></form></details>`;
}
