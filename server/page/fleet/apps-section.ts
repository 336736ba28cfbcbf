import { ComposeError } from '../../../fleet/compose/compose-error.ts';
import { parseCompose, withPositions } from '../../../fleet/compose/parse-compose.ts';
import { isRepositoryName, isTag } from '../../../oci/reference.ts';
import { type Html, html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import { pairsOf } from '../admin/access-sections.ts';
import type { ApiCalls } from '../api-calls.ts';
import { shortDigest, timeOf } from '../format.ts';
import { LOOK_AGAIN, livePart } from '../live.ts';
import { asked, pathOf } from '../page-context.ts';
import { area, check, empty, facts, field, notice, pageHead, pager, table } from '../parts.ts';
import { askingLink } from '../question.ts';
import { referencePath } from '../repository-paths.ts';
import { buttonForm, type Draft, type Section, sectionForm } from '../section/section.ts';
import { showLogs } from './app-logs.ts';

interface App {
  readonly name: string;
  readonly on: readonly string[];
  readonly follow: 'off' | 'following' | 'held';
  readonly latest: number;
  readonly current: number | null;
  readonly state: string;
  readonly createdAt: string;
}

interface Image {
  readonly registry?: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest: string;
}

interface Release {
  readonly release: number;
  readonly state: string;
  readonly cause: { readonly kind: string; readonly by: string };
  readonly createdAt: string;
  readonly reason: string | null;
  readonly images: Readonly<Record<string, Image>>;
}

interface Rollout {
  readonly release: number;
  readonly state: string;
  readonly reason: string | null;
  readonly wave: number;
  readonly waves: number;
  readonly hosts: readonly {
    readonly host: string;
    readonly wave: number;
    readonly state: string;
    readonly wanted: number | null;
    readonly phase: string | null;
    readonly release: number | null;
    readonly reason: string | null;
    readonly instances: readonly {
      readonly service: string;
      readonly state: string;
      readonly health: string;
      readonly restarts: number;
    }[];
  }[];
}

const HISTORY = 20;
/** Seconds between polls of a rollout, which has no events until it ends. */
const WATCH = 3;

/** Apps that run on the hosts of the fleet. */
export const APPS: Section = {
  path: '/apps',
  title: 'Apps',
  lead: 'What runs on the hosts.',
  async show(ctx, api, draft) {
    const { apps } = await api.call<{ readonly apps: readonly App[] }>(ctx, 'listApps');
    if (apps.length === 0) {
      const first = empty(
        'No apps yet',
        html`<p>Deploy a Compose file below, or by <code>berth deploy</code> in a terminal.</p>`,
      );
      return html`${first}${deployForm(ctx, draft)}`;
    }
    const rows = apps.map((app) => [
      html`<a href="${appPath(ctx, app.name)}">${app.name}</a>`,
      stateTag(app.state),
      html`${app.latest}${app.current !== null && app.current !== app.latest && html`<span class="small">${app.current} runs</span>`}`,
      followText(app.follow),
      hostsText(app.on),
    ]);
    const list = table(
      'Apps',
      [
        { head: 'Name' },
        { head: 'State' },
        { head: 'Release', kind: 'number' },
        { head: 'Follows tags', kind: 'wide' },
        { head: 'Hosts', kind: 'wide' },
      ],
      rows,
    );
    return html`${livePart(ctx, { id: 'apps', names: ['app', 'rollout'], every: LOOK_AGAIN }, list)}${deployForm(ctx, draft)}`;
  },
  details: { one: showApp, logs: showLogs },
  actions: {
    deploy: {
      done: 'The rollout has begun.',
      isOnList: true,
      next: (ctx, read) => appPath(ctx, read('app')),
      async run(ctx, api, read) {
        const text = read('compose');
        // Variables and files are on a person's machine, where only `berth deploy` reads them.
        const compose = await parseCompose(text, { environment: {}, readFile: async () => undefined });
        if (compose.warnings.length > 0) {
          const message = 'a variable has no value here: write the value, or deploy by "berth deploy"';
          throw new ComposeError([{ path: [], message }]);
        }
        const on = pairsOf(read('on'));
        const body = {
          compose: compose.document,
          ...(Object.keys(on).length > 0 && { on }),
          ...(read('follow') === 'on' && { follow: true }),
        };
        try {
          await api.call(ctx, 'deploy', { params: { app: read('app') }, body });
        } catch (error) {
          throw error instanceof ComposeError ? withPositions(error, compose.position) : error;
        }
        return undefined;
      },
    },
    rollback: {
      done: 'The rollback has begun.',
      next: (ctx) => appPath(ctx, asked(ctx, 'app')),
      ask: (ctx) => ({
        title: `Roll ${asked(ctx, 'app')} back to release ${asked(ctx, 'to')}?`,
        text: html`<p>A new release with the content of release ${asked(ctx, 'to')} is rolled out. An app that follows its tags stops doing so until that is switched on again.</p>`,
        verb: 'Roll back',
        back: appPath(ctx, asked(ctx, 'app')),
      }),
      async run(ctx, api) {
        const body = { to: Number(asked(ctx, 'to')) };
        await api.call(ctx, 'rollBack', { params: { app: asked(ctx, 'app') }, body });
        return undefined;
      },
    },
    restart: {
      done: 'The restart has begun.',
      next: (ctx) => appPath(ctx, asked(ctx, 'app')),
      ask: (ctx) => ({
        title: `Restart ${asked(ctx, 'app')}?`,
        text: html`<p>All its instances are replaced, host by host, by a new release with the same content.</p>`,
        verb: 'Restart',
        back: appPath(ctx, asked(ctx, 'app')),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'restartApp', { params: { app: asked(ctx, 'app') } });
        return undefined;
      },
    },
    follow: {
      done: 'The setting is changed.',
      next: (ctx) => appPath(ctx, asked(ctx, 'app')),
      async run(ctx, api) {
        const body = { follow: asked(ctx, 'follow') === 'on' };
        await api.call(ctx, 'followTags', { params: { app: asked(ctx, 'app') }, body });
        return undefined;
      },
    },
    remove: {
      done: 'The app is removed.',
      ask: (ctx) => ({
        title: `Remove the app ${asked(ctx, 'app')}?`,
        text: html`<p>Its instances stop on all hosts, and its history and secrets are deleted. Volumes stay.</p>`,
        verb: 'Remove',
        back: appPath(ctx, asked(ctx, 'app')),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeApp', { params: { app: asked(ctx, 'app') } });
        return undefined;
      },
    },
  },
};

/** Deploys a Compose file; `repository` and `tag` in the address name the image of a page that leads here. */
function deployForm(ctx: RequestContext, draft: Draft): Html {
  const { host } = ctx.state.origin;
  const [repository, tag] = ctx.method === 'GET' ? [asked(ctx, 'repository'), asked(ctx, 'tag')] : ['', ''];
  const isGiven = isRepositoryName(repository) && isTag(tag);
  const image = isGiven ? `"${host}/${repository}:${tag}"` : `"${host}/team/web:1.0"`;
  const example = `services:\n  web:\n    image: ${image}\n`;
  return sectionForm(ctx, {
    id: 'deploy',
    title: 'Deploy',
    action: pathOf(ctx, '/apps/deploy'),
    button: 'Deploy',
    content: html`${field('app', { label: 'App', name: 'app', value: draft.value('app', isGiven ? repository : ''), maxLength: 255, help: html`Such as <code>team/shop</code>: a new one, or one that gets a new release.` })}
${area('compose', { label: 'Compose file', name: 'compose', value: draft.value('compose', example), rows: 10, help: html`At most 4,000 characters, without variables and files: <code>berth deploy</code> reads those.` })}
${area('on', { label: 'Hosts (optional)', name: 'on', value: draft.value('on'), help: html`Labels that its hosts must have, one per line, such as <code>role=web</code>. Without any: as before, or all hosts.` })}
${check('follow', { label: 'Deploy again when a tag moves', name: 'follow', isChecked: draft.value('follow') === 'on' })}`,
  });
}

function appPath(ctx: RequestContext, app: string): string {
  return pathOf(ctx, '/apps/one', { app });
}

/** Formats a state of a release, an instance or a host, coloured by whether somebody must act. */
export function stateTag(state: string): Html {
  const kind = /^(?:done|healthy|online|running)$/.test(state)
    ? 'good'
    : /^(?:failed|unhealthy|offline|reverted|stopped)$/.test(state)
      ? 'bad'
      : /^(?:rolling|starting|draining)$/.test(state)
        ? 'new'
        : '';
  return html`<span class="tag ${kind}">${state}</span>`;
}

/** Formats the constraints on hosts; without any, all hosts may have the app. */
function hostsText(on: App['on']): string {
  return on.length === 0 ? 'all' : on.join(', ');
}

function followText(follow: App['follow']): string {
  return { off: 'no', following: 'yes', held: 'held after a rollback' }[follow];
}

async function showApp(ctx: RequestContext, api: ApiCalls): Promise<Html> {
  const name = asked(ctx, 'app');
  const params = { app: name };
  const app = await api.call<App>(ctx, 'showApp', { params });
  const before = asked(ctx, 'before');
  const query = { limit: String(HISTORY), ...(before !== '' && { before }) };
  const { releases } = await api.call<{ readonly releases: readonly Release[] }>(ctx, 'listReleases', {
    params,
    query,
  });
  const rollout = app.latest === 0 ? undefined : await api.call<Rollout>(ctx, 'showRollout', { params });
  const last = releases.at(-1);
  const follows = app.follow === 'following';
  return html`${pageHead(name, {
    crumbs: [{ href: pathOf(ctx, '/apps'), text: 'Apps' }],
    actions: html`<a class="button" href="${pathOf(ctx, '/apps/logs', params)}">Logs</a><a class="button" href="${pathOf(ctx, '/apps/restart', params)}" data-dialog>Restart</a>${buttonForm(
      ctx,
      pathOf(ctx, '/apps/follow', { ...params, follow: follows ? 'off' : 'on' }),
      follows ? 'Stop following tags' : 'Follow tags',
    )}${askingLink(pathOf(ctx, '/apps/remove', params), 'Remove')}`,
  })}${livePart(
    ctx,
    {
      id: 'app',
      names: ['app', 'rollout'],
      query: { app: name },
      every: app.state === 'rolling' ? WATCH : LOOK_AGAIN,
    },
    html`<div class="sheet">${facts([
      ['State', stateTag(app.state)],
      ['Latest release', app.latest],
      ['Runs', app.current === null ? 'none yet' : `release ${app.current}`],
      ['Follows tags', followText(app.follow)],
      ['Hosts', hostsText(app.on)],
      ['Since', timeOf(app.createdAt)],
    ])}</div>${rollout !== undefined && rolloutTable(ctx, rollout)}
<section><h2>Releases</h2>${releaseTable(ctx, app, releases)}${pager(
      before === '' ? undefined : appPath(ctx, name),
      releases.length < HISTORY || last === undefined
        ? undefined
        : pathOf(ctx, '/apps/one', { app: name, before: String(last.release) }),
    )}</section>`,
  )}`;
}

function rolloutTable(ctx: RequestContext, { hosts, reason, release, state, wave, waves }: Rollout): Html {
  const rows = hosts.map((host) => [
    html`<a href="${pathOf(ctx, '/hosts/one', { name: host.host })}">${host.host}</a>`,
    html`${host.wave}`,
    stateTag(host.state),
    html`${host.phase ?? '–'}${host.release !== null && ` (release ${host.release})`}${host.reason !== null && html`<span class="small">${host.reason}</span>`}`,
    host.instances
      .map(
        ({ health, service, state: of }) => `${service}: ${health === 'none' || health === '' ? of : health}`,
      )
      .join(', '),
  ]);
  return html`<section><h2>Rollout of release ${release}</h2><p>${stateTag(state)} wave ${wave} of ${waves}</p>${reason !== null && notice('warn', reason)}
${
  rows.length > 0 &&
  table(
    `Rollout of release ${release}`,
    [
      { head: 'Host' },
      { head: 'Wave', kind: 'wide number' },
      { head: 'Host is' },
      { head: 'Phase', kind: 'text' },
      { head: 'Instances', kind: 'wide' },
    ],
    rows,
  )
}</section>`;
}

function releaseTable(ctx: RequestContext, app: App, releases: readonly Release[]): Html {
  const rows = releases.map(({ cause, createdAt, images, reason, release, state }) => [
    html`${release}`,
    html`${stateTag(state)}${reason !== null && html`<span class="small">${reason}</span>`}`,
    html`${cause.kind} <span class="small">${cause.by}</span>`,
    html`${Object.entries(images).map(([service, image]) => html`<span class="small">${service}: ${imageOf(ctx, image)}</span>`)}`,
    timeOf(createdAt),
    release === app.latest
      ? ''
      : html`<a class="button" href="${pathOf(ctx, '/apps/rollback', { app: app.name, to: String(release) })}" data-dialog>Roll back</a>`,
  ]);
  if (rows.length === 0) return empty('No releases', html`<p>Nothing was deployed yet.</p>`);
  return table(
    `Releases of ${app.name}`,
    [
      { head: 'Release' },
      { head: 'State', kind: 'text' },
      { head: 'Cause', kind: 'wide' },
      { head: 'Images', kind: 'wide' },
      { head: 'Made', kind: 'wide' },
      { head: 'Actions', kind: 'end' },
    ],
    rows,
  );
}

function imageOf(ctx: RequestContext, { digest, registry, repository, tag }: Image): Html {
  const text = `${repository}${tag === undefined ? '' : `:${tag}`} (${shortDigest(digest)})`;
  if (registry !== undefined) return html`${registry}/${text}`;
  return html`<a href="${referencePath(ctx, repository, { digest })}">${text}</a>`;
}
