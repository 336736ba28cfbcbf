import type {
  LayerView,
  ManifestView,
  MemberView,
  ProvenanceView,
  Reference,
  ReferrerView,
  RunningView,
  SbomView,
  SignatureView,
} from '../browse/browse.ts';
import { asSentence, showPage } from '../login/answer-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { counted, formatBytes, formatCount, shortDigest, timeOf } from './format.ts';
import { isImage, kindOf, pullCommands } from './manifest-kind.ts';
import { pathOf } from './page-context.ts';
import { command, type Fact, facts, notice, pageHead, pairs, table } from './parts.ts';
import { askingLink } from './question.ts';
import { type RepositoryPage, referencePath, referenceText, repositoryPath } from './repository-paths.ts';

/** Characters of a stranger's text that a page shows at once; the rest can be unfolded. */
const SHORT_TEXT = 200;

/** Shows the page of a tag or manifest: its content, its referrers, and where it runs. */
export async function showManifest(
  ctx: RequestContext,
  { browse, repository }: RepositoryPage,
  reference: Reference,
): Promise<void> {
  const view = await browse.manifest(ctx.state.identity, repository, reference);
  const text = referenceText(reference);
  const { digest } = view;
  const title = 'tag' in reference ? `${repository}:${text}` : `${repository}@${shortDigest(text)}`;
  showPage(ctx, {
    title,
    main: html`${pageHead(title, {
      crumbs: [
        { href: pathOf(ctx, '/'), text: 'Repositories' },
        { href: repositoryPath(ctx, repository), text: repository },
      ],
      lead: kindOf(view),
      actions: html`${deployLink(ctx, view, reference)}${view.rights.delete && askingLink(repositoryPath(ctx, repository, 'delete', { reference: text }), 'Delete')}`,
    })}
${view.problem !== undefined && notice('warn', asSentence(view.problem))}<section class="sheet"><h2>Pull</h2>${pullCommands(view, ctx.state.origin.host, reference).map(command)}</section>
<section class="sheet">${facts(factsOf(view))}<dl class="pairs"><dt>Digest</dt><dd><code>${digest}</code></dd></dl>${tagList(ctx, view)}</section>
${members(ctx, view)}${provenance(view.provenance)}${packages(view.sbom)}${signatures(view.signatures)}${layers(ctx, view)}${referrers(ctx, view)}${running(ctx, view.running)}${configuration(view)}
${annotations(view.annotations)}${relations(ctx, view)}${comparison(ctx, repository, text)}`,
  });
}

/** Returns a link to the form that deploys it, if there are apps; the form says whether the visitor may. */
function deployLink(ctx: RequestContext, view: ManifestView, reference: Reference): Html {
  const { offers, session } = ctx.state;
  if (session === undefined || !offers?.fleet || !('tag' in reference) || !isImage(view)) return html``;
  const query = { repository: view.repository, tag: reference.tag };
  return html`<a class="button" href="${pathOf(ctx, '/apps', query)}#deploy">Deploy</a>`;
}

function factsOf(view: ManifestView): readonly Fact[] {
  const { config, contentSize, lastPull, pushedAt, pushedBy, size } = view;
  return [
    ...(config?.platform === undefined ? [] : [['Platform', config.platform] as const]),
    ['Size, each layer once', contentSize === undefined ? formatBytes(size) : formatBytes(contentSize)],
    ['Pushed', timeOf(pushedAt)],
    ['Pushed by', pushedBy ?? 'not known'],
    ['Last pull', timeOf(lastPull)],
    ...(config?.created === undefined ? [] : [['Built', timeOf(config.created)] as const]),
  ];
}

function tagList(ctx: RequestContext, { repository, tagCount, tags }: ManifestView): Html {
  if (tagCount === 0) return html`<p class="soft">No tag points at it.</p>`;
  const links = tags.map(
    (tag) => html`<li><a class="tag new" href="${referencePath(ctx, repository, { tag })}">${tag}</a></li>`,
  );
  const more = tagCount - tags.length;
  return html`<dl class="pairs"><dt>Tags</dt><dd><ul class="list">${links}${more > 0 && html`<li class="tag">${counted(more, 'more', 'more')}</li>`}</ul></dd></dl>`;
}

function members(ctx: RequestContext, { members, partCount, repository }: ManifestView): Html {
  if (members.length === 0) return html``;
  const hasKinds = members.some(({ artifactType }) => artifactType !== undefined);
  const rows = members.map((member) => [
    member.present
      ? html`<a href="${referencePath(ctx, repository, { digest: member.digest })}">${nameOf(member)}</a>`
      : html`${nameOf(member)} <span class="tag warn">not here</span>`,
    ...(hasKinds ? [member.artifactType ?? ''] : []),
    html`<span class="mono">${shortDigest(member.digest)}</span>`,
  ]);
  return html`<section><h2>Platforms</h2>${table(
    'Platforms',
    [
      { head: 'Platform' },
      ...(hasKinds ? [{ head: 'Kind', kind: 'wide' } as const] : []),
      { head: 'Digest' },
    ],
    rows,
  )}${shownOf(members.length, partCount)}</section>`;
}

function nameOf({ annotations, platform }: MemberView): string {
  return platform ?? annotations['vnd.docker.reference.type'] ?? 'no platform';
}

function shownOf(shown: number, all: number): Html {
  return html`${all > shown && html`<p class="soft">The first ${formatCount(shown)} of ${formatCount(all)}.</p>`}`;
}

/** Shows the provenance of a build. Its addresses are plain text: no page links to places that strangers name. */
function provenance(view: ProvenanceView | undefined): Html {
  if (view === undefined) return html``;
  if (view.problem !== undefined) {
    return html`<section><h2>Provenance</h2>${notice('warn', asSentence(view.problem))}</section>`;
  }
  const { materialCount, materials } = view;
  const texts: readonly (readonly [string, string | undefined])[] = [
    ['Builder', view.builder ?? 'not named'],
    ['Source', view.source],
    ['Revision', view.revision],
    ['Entry point', view.entryPoint],
    ['Type of build', view.buildType],
    ['Invocation', view.invocation],
  ];
  const known = texts.flatMap(([name, text]): Fact[] => (text === undefined ? [] : [[name, longText(text)]]));
  const list = html`<details><summary>${counted(materialCount, 'material', 'materials')}</summary><ul class="plain">${materials.map((uri) => html`<li>${longText(uri)}</li>`)}</ul>${shownOf(materials.length, materialCount)}</details>`;
  return html`<section class="sheet"><h2>Provenance</h2><p class="soft">As the builder describes it: nothing of it is verified here.</p>${pairs(
    [
      ...known,
      ['Started', timeOf(view.started)],
      ['Finished', timeOf(view.finished)],
      ['Built from', materialCount === 0 ? 'no material that is named' : list],
    ],
  )}</section>`;
}

function packages(sbom: SbomView | undefined): Html {
  if (sbom === undefined) return html``;
  if (sbom.problem !== undefined) {
    return html`<section><h2>Packages</h2>${notice('warn', asSentence(sbom.problem))}</section>`;
  }
  const rows = sbom.packages.map(({ licence = '', name, version = '' }) => [name, version, licence]);
  return html`<section><h2>Packages</h2>${
    rows.length === 0
      ? html`<p class="soft">This SBOM lists none.</p>`
      : table(
          `Packages of this SBOM (${sbom.format})`,
          [
            { head: 'Package', kind: 'text' },
            { head: 'Version', kind: 'text' },
            { head: 'Licence', kind: 'wide text' },
          ],
          rows,
        )
  }${shownOf(rows.length, sbom.packageCount)}</section>`;
}

/** Shows instructions of the build beside the layers that they made; layers alone without a history. */
function layers(ctx: RequestContext, { history, layers, partCount }: ManifestView): Html {
  if (layers.length === 0) return html``;
  const told = new Set(history.flatMap(({ layer }) => (layer === undefined ? [] : [layer])));
  const rows = [
    ...history.map(({ createdBy, layer }) =>
      layerRow(ctx, layer === undefined ? undefined : layers[layer], createdBy),
    ),
    ...layers
      .filter((_, index) => !told.has(index))
      .map((layer) =>
        layerRow(ctx, layer, layer.annotations['org.opencontainers.image.title'] ?? layer.mediaType),
      ),
  ];
  return html`<section><h2>Layers</h2>${table(
    'Layers, the lowest first',
    [
      { head: history.length > 0 ? 'Made by' : 'Content', kind: 'text' },
      { head: 'Size', kind: 'number' },
      { head: 'Also in', kind: 'text' },
      { head: 'Digest', kind: 'wide' },
    ],
    rows,
    { stacks: true },
  )}${shownOf(layers.length, partCount)}</section>`;
}

function layerRow(ctx: RequestContext, layer: LayerView | undefined, text: string) {
  const what = longText(text.replace(/^\/bin\/sh -c (?:#\(nop\)\s*)?/, '') || 'nothing said');
  if (layer === undefined) return [what, html`<span class="soft">–</span>`, '', ''];
  const flag =
    !layer.present &&
    html` <span class="tag ${layer.foreign ? '' : 'bad'}">${layer.foreign ? 'elsewhere' : 'missing'}</span>`;
  return [
    html`${what}${flag}`,
    formatBytes(layer.size),
    sharing(ctx, layer),
    html`<span class="mono">${shortDigest(layer.digest)}</span>`,
  ];
}

function sharing(ctx: RequestContext, { sharedBy }: LayerView): Html {
  const { manifests, repositories, repositoryCount } = sharedBy;
  const names = repositories
    .slice(0, 3)
    .map((name, index) => html`${index > 0 && ', '}<a href="${repositoryPath(ctx, name)}">${name}</a>`);
  const others = repositoryCount - Math.min(3, repositories.length);
  if (manifests === 0 && repositoryCount === 0) return html`<span class="soft">nothing else</span>`;
  return html`${manifests > 0 && counted(manifests, 'other image here', 'other images here')}${manifests > 0 && repositoryCount > 0 && '; '}${names}${
    others > 0 &&
    html`${names.length > 0 && ' and '}${counted(others, 'other repository', 'other repositories')}`
  }`;
}

/** Shows a stranger's text, which may be long. */
export function longText(text: string): Html {
  if (text.length <= SHORT_TEXT) return html`<code>${text}</code>`;
  return html`<details><summary><code>${text.slice(0, SHORT_TEXT)}…</code></summary><pre>${text}</pre></details>`;
}

function signatures(views: readonly SignatureView[]): Html {
  if (views.length === 0) return html``;
  return html`<section class="sheet"><h2>Signatures</h2>${UNVERIFIED}${views.map(signature)}</section>`;
}

const UNVERIFIED = html`<p class="soft">Signatures are shown as their makers describe them. Use <code>cosign verify</code> or <code>notation verify</code> to verify them.</p>`;

function signature({ by, digest, issuer, key, problem, provider, subject }: SignatureView): Html {
  if (by === 'unknown') return html`<p class="soft">${asSentence(problem ?? '')}</p>`;
  const known: readonly (readonly [string, string | undefined])[] = [
    [
      'Signed',
      by === 'key' ? 'with a key' : `with a certificate${problem === undefined ? '' : `; ${problem}`}`,
    ],
    ['Subject', subject],
    ['Identity provider', provider],
    ['Issuer', issuer],
    ['Public key', key],
    ['Signature', digest],
  ];
  return pairs(
    known.flatMap(([name, text]): Fact[] =>
      text === undefined ? [] : [[name, name === 'Signed' ? text : longText(text)]],
    ),
  );
}

function referrers(ctx: RequestContext, { referrers, repository }: ManifestView): Html {
  if (referrers.length === 0) return html``;
  const isSigned = referrers.some((one) =>
    [one, ...one.referrers].some((each) => each.signatures.length > 0),
  );
  return html`<section class="sheet"><h2>Signatures, SBOMs and provenance</h2>${isSigned && UNVERIFIED}${referrerTree(ctx, repository, referrers)}</section>`;
}

function referrerTree(ctx: RequestContext, repository: string, referrers: readonly ReferrerView[]): Html {
  const items = referrers.map(
    ({ artifactType, digest, kind, mediaType, referrers: about, signatures, size }) =>
      html`<li><span class="tag ${kind === 'signature' ? 'good' : 'new'}">${kind === 'sbom' ? 'SBOM' : kind}</span> <a href="${referencePath(ctx, repository, { digest })}" class="mono">${shortDigest(digest)}</a> <span class="soft">${artifactType ?? mediaType}, ${formatBytes(size)}</span>${signatures.map(signature)}${about.length > 0 && referrerTree(ctx, repository, about)}</li>`,
  );
  return html`<ul class="tree">${items}</ul>`;
}

/** Shows apps that have the image, and the hosts that run it. */
export function running(ctx: RequestContext, views: readonly RunningView[]): Html {
  if (views.length === 0) return html``;
  const rows = views.map(({ app, hosts, release, runs, service }) => [
    ctx.state.session === undefined ? app : html`<a href="${pathOf(ctx, '/apps/one', { app })}">${app}</a>`,
    `release ${release}`,
    service,
    runs
      ? hosts.length === 0
        ? 'no host yet'
        : hosts.join(', ')
      : html`<span class="soft">kept for a rollback</span>`,
  ]);
  return html`<section><h2>Runs in</h2>${table(
    'Apps that have this image',
    [
      { head: 'App' },
      { head: 'Release' },
      { head: 'Service', kind: 'wide' },
      { head: 'Hosts', kind: 'text' },
    ],
    rows,
    { stacks: true },
  )}</section>`;
}

function configuration(view: ManifestView): Html {
  const { config } = view;
  if (config === undefined) return html``;
  if (config.problem !== undefined) {
    // A manifest that is not an image need not have an image's configuration.
    if (!isImage(view)) return html``;
    return html`<section><h2>Configuration</h2>${notice('warn', asSentence(config.problem))}</section>`;
  }
  const texts: readonly (readonly [string, string | readonly string[] | undefined])[] = [
    ['Entrypoint', config.entrypoint],
    ['Command', config.command],
    ['User', config.user],
    ['Working directory', config.workingDirectory],
    ['Ports', config.exposedPorts],
    ['Volumes', config.volumes],
    ['Stop signal', config.stopSignal],
    ['Author', config.author],
    ['Environment', config.environment],
  ];
  const known = texts.flatMap(([name, value]): Fact[] => {
    if (value === undefined || value.length === 0) return [];
    if (typeof value === 'string') return [[name, longText(value)]];
    return [[name, html`<ul class="plain">${value.map((one) => html`<li>${longText(one)}</li>`)}</ul>`]];
  });
  const labels = Object.entries(config.labels).map(([name, value]): Fact => [name, longText(value)]);
  return html`${known.length > 0 && html`<section class="sheet"><h2>Configuration</h2>${pairs(known)}</section>`}${
    labels.length > 0 && html`<section class="sheet"><h2>Labels</h2>${pairs(labels)}</section>`
  }`;
}

function annotations(all: Readonly<Record<string, string>>): Html {
  const known = Object.entries(all).map(([name, value]): Fact => [name, longText(value)]);
  return html`${known.length > 0 && html`<section class="sheet"><h2>Annotations</h2>${pairs(known)}</section>`}`;
}

function relations(ctx: RequestContext, { indexes, repository, subject }: ManifestView): Html {
  const link = (digest: (typeof indexes)[number]) =>
    html`<a class="mono" href="${referencePath(ctx, repository, { digest })}">${shortDigest(digest)}</a> `;
  const known: Fact[] = [
    ...(subject === undefined ? [] : [['About', link(subject)] as const]),
    ...(indexes.length === 0 ? [] : [['Listed by', html`${indexes.map(link)}`] as const]),
  ];
  return html`${known.length > 0 && html`<section class="sheet"><h2>Relations</h2>${pairs(known)}</section>`}`;
}

function comparison(ctx: RequestContext, repository: string, from: string): Html {
  return html`<details class="sheet"><summary>Compare with another tag</summary><form class="filter" method="get" action="${repositoryPath(ctx, repository, 'compare')}">
<input type="hidden" name="from" value="${from}"><div><label for="to">Tag or digest</label><input id="to" name="to" type="text" required maxlength="255" autocomplete="off"></div><button>Compare</button></form></details>`;
}
