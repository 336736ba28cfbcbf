import type { Digest } from '../../oci/digest.ts';
import type { Change, FileChangesView, FileView, PackageChangesView, Reference } from '../browse/browse.ts';
import { asSentence, showPage } from '../login/answer-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { counted, formatBytes, formatCount, shortDigest } from './format.ts';
import { longText } from './manifest-page.ts';
import { asked, pathOf } from './page-context.ts';
import { empty, facts, notice, pageHead, table } from './parts.ts';
import { type RepositoryPage, referencePath, referenceText, repositoryPath } from './repository-paths.ts';

/** Shows the differences between two tags or manifests of a repository. */
export async function showComparison(
  ctx: RequestContext,
  { browse, repository }: RepositoryPage,
  from: Reference,
  to: Reference,
): Promise<void> {
  const found = await browse.difference(ctx.state.identity, repository, { from, to });
  const isReading = asked(ctx, 'files') === 'yes';
  const files =
    isReading && (await browse.files(ctx.state.identity, repository, { from, to }, ctx.state.signal));
  const sides = { from: referenceText(from), to: referenceText(to) };
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
    }</section>${changes('Configuration', found.configuration)}${changes('Environment', found.environment)}${changes('Labels', found.labels)}${packages(ctx, repository, found.packages, [before, after])}
<section><h2 id="files">Files</h2>${
      files
        ? fileChanges(files)
        : html`<p><a class="button" rel="nofollow" href="${repositoryPath(ctx, repository, 'compare', { ...sides, files: 'yes' })}#files">Compare files</a> <span class="soft">It reads the layers that the two do not share.</span></p>`
    }</section>`,
  });
}

function shortText(reference: Reference): string {
  return 'tag' in reference ? referenceText(reference) : shortDigest(reference.digest);
}

function fileChanges({ added, changed, changes: list, problem, removed }: FileChangesView): Html {
  if (problem !== undefined) return notice('warn', asSentence(problem));
  const rows = list.map(({ after, before, change, path }) => [
    html`<span class="mono">${path}</span>`,
    html`<span class="tag ${CHANGED[change]}">${change}</span>`,
    fileText(before),
    fileText(after),
  ]);
  const all = added + removed + changed;
  return html`${
    rows.length > 0 &&
    table(
      'Files',
      [
        { head: 'File', kind: 'text' },
        { head: 'Change' },
        { head: 'Before', kind: 'wide text' },
        { head: 'After', kind: 'wide text' },
      ],
      rows,
    )
  }<p class="soft">${counted(added, 'file')} added, ${formatCount(removed)} removed, ${formatCount(changed)} changed.${all > list.length && html` The first ${formatCount(list.length)} are shown.`} Layers that both have are not read: a file that is added may stand in place of one of theirs.</p>`;
}

const CHANGED = { added: 'good', removed: 'bad', changed: '' } as const;

function fileText(file: FileView | undefined): string {
  if (file === undefined) return '–';
  const { kind, mode, size } = file;
  return kind === 'file' ? `${formatBytes(size)}, ${mode.toString(8)}` : `${kind}, ${mode.toString(8)}`;
}

function packages(
  ctx: RequestContext,
  repository: string,
  { added, changed, changes: list, from, removed, to }: PackageChangesView,
  [before, after]: readonly [string, string],
): Html {
  if (from === undefined || to === undefined) {
    const text = from === to ? 'Neither has an SBOM' : `${from === undefined ? before : after} has no SBOM`;
    return html`<section><h2>Packages</h2><p class="soft">${text} that can be read.</p></section>`;
  }
  const link = (digest: Digest, text: string) =>
    html`<a href="${referencePath(ctx, repository, { digest })}">${text}</a>`;
  const all = added + removed + changed;
  const note = html`<p class="soft">By the SBOMs of ${link(from, before)} and ${link(to, after)}: ${formatCount(added)} added, ${formatCount(removed)} removed, ${formatCount(changed)} of another version.${all > list.length && html` The first ${formatCount(list.length)} are shown.`}</p>`;
  const versions = list.map(({ after, before, name }) => ({
    name,
    ...(before !== undefined && { before: before || 'no version' }),
    ...(after !== undefined && { after: after || 'no version' }),
  }));
  return changes('Packages', versions, note);
}

function changes(title: string, list: readonly Change[], note?: Html): Html {
  if (list.length === 0)
    return html`<section><h2>${title}</h2><p class="soft">No difference.</p>${note}</section>`;
  const value = (text: string | undefined) =>
    text === undefined ? html`<span class="soft">–</span>` : longText(text);
  const rows = list.map(({ after, before, name }) => [name, value(before), value(after)]);
  return html`<section><h2>${title}</h2>${table(title, [{ head: 'Name' }, { head: 'Before', kind: 'text' }, { head: 'After', kind: 'text' }], rows, { stacks: true })}${note}</section>`;
}
