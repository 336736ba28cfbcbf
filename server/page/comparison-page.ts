import type { Change, Reference } from '../browse/browse.ts';
import { showPage } from '../login/answer-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { counted, formatBytes, shortDigest } from './format.ts';
import { longText } from './manifest-page.ts';
import { pathOf } from './page-context.ts';
import { empty, facts, pageHead, table } from './parts.ts';
import { type RepositoryPage, referencePath, referenceText, repositoryPath } from './repository-paths.ts';

/** What is different between two tags or manifests of a repository. */
export async function showComparison(
  ctx: RequestContext,
  { browse, repository }: RepositoryPage,
  from: Reference,
  to: Reference,
): Promise<void> {
  const found = await browse.difference(ctx.state.identity, repository, { from, to });
  const [before, after] = [shortText(from), shortText(to)];
  const same = found.layers.filter(({ change }) => change === 'same');
  const layers = found.layers.map(({ change, digest, size }) => [
    html`<span class="mono">${shortDigest(digest)}</span>`,
    html`<span class="tag ${change === 'added' ? 'good' : change === 'removed' ? 'bad' : ''}">${change}</span>`,
    formatBytes(size),
  ]);
  const link = (reference: Reference, text: string) =>
    html`<a href="${referencePath(ctx, repository, reference)}">${text}</a>`;
  showPage(ctx, {
    title: `${before} and ${after} of ${repository}`,
    main: html`${pageHead(html`${link(from, before)} → ${link(to, after)}`, {
      crumbs: [
        { href: pathOf(ctx, '/'), text: 'Repositories' },
        { href: repositoryPath(ctx, repository), text: repository },
      ],
      lead: `What changes from ${before} to ${after}.`,
    })}<div class="sheet">${facts([
      ...(found.platform === undefined ? [] : [['Platform', found.platform] as const]),
      ['To download', formatBytes(found.download)],
      ['Layers kept', counted(same.length, 'layer')],
      ['Removed', counted(found.layers.filter(({ change }) => change === 'removed').length, 'layer')],
      ['Added', counted(found.layers.filter(({ change }) => change === 'added').length, 'layer')],
    ])}</div>
<section><h2>Layers</h2>${
      layers.length === 0
        ? empty('No layers', html`<p>Neither of the two has a layer.</p>`)
        : table('Layers', [{ head: 'Layer' }, { head: 'Change' }, { head: 'Size', kind: 'number' }], layers)
    }</section>${changes('Configuration', found.configuration)}${changes('Environment', found.environment)}${changes('Labels', found.labels)}`,
  });
}

function shortText(reference: Reference): string {
  return 'tag' in reference ? referenceText(reference) : shortDigest(reference.digest);
}

function changes(title: string, list: readonly Change[]): Html {
  if (list.length === 0) return html`<section><h2>${title}</h2><p class="soft">No difference.</p></section>`;
  const value = (text: string | undefined) =>
    text === undefined ? html`<span class="soft">–</span>` : longText(text);
  const rows = list.map(({ after, before, name }) => [name, value(before), value(after)]);
  return html`<section><h2>${title}</h2>${table(title, [{ head: 'Name' }, { head: 'Before', kind: 'text' }, { head: 'After', kind: 'text' }], rows)}</section>`;
}
