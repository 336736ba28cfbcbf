import { type Html, html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import { pairsOf } from '../admin/access-sections.ts';
import type { ApiCalls } from '../api-calls.ts';
import { counted, formatBytes, timeOf } from '../format.ts';
import { livePart } from '../live.ts';
import { asked, pathOf } from '../page-context.ts';
import { area, empty, facts, pageHead, table } from '../parts.ts';
import { askingLink } from '../question.ts';
import { buttonForm, type Section, sectionForm } from '../section/section.ts';
import { stateTag } from './apps-section.ts';

interface Host {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly draining: boolean;
  readonly facts: {
    readonly version: string;
    readonly operatingSystem: string;
    readonly platform: string;
    readonly processors: number;
    readonly memory: number;
  };
  readonly joinedAt: string;
  readonly seenAt: string | null;
  readonly apps: readonly string[];
}

/** The machines that run apps. */
export const HOSTS: Section = {
  path: '/hosts',
  title: 'Hosts',
  lead: 'Machines that run apps.',
  async show(ctx, api, draft) {
    const { hosts } = await api.call<{ readonly hosts: readonly Host[] }>(ctx, 'listHosts');
    const rows = hosts.map((host) => [
      html`<a href="${hostPath(ctx, host.name)}">${host.name}</a>`,
      stateOf(host),
      labelTags(host.labels),
      counted(host.apps.length, 'app'),
      host.facts.platform,
      timeOf(host.seenAt),
    ]);
    const list =
      rows.length === 0
        ? empty(
            'No hosts yet',
            html`<p>Make a join token below, and run <code>berth-agent join</code> on the machine.</p>`,
          )
        : table(
            'Hosts',
            [
              { head: 'Name' },
              { head: 'State' },
              { head: 'Labels', kind: 'wide' },
              { head: 'Apps', kind: 'wide' },
              { head: 'Platform', kind: 'wide' },
              { head: 'Last seen' },
            ],
            rows,
            { stacks: true },
          );
    return html`${livePart(ctx, { id: 'hosts', names: ['host'] }, list)}${sectionForm(ctx, {
      id: 'make-join-token',
      title: 'Add a host',
      action: pathOf(ctx, '/hosts/token'),
      button: 'Make a join token',
      content: area('labels', {
        label: 'Labels (optional)',
        name: 'labels',
        value: draft.value('labels'),
        help: html`One per line, such as <code>role=web</code>. The token is valid once, within an hour.`,
      }),
    })}`;
  },
  details: { one: showHost },
  actions: {
    token: {
      done: 'The token is made.',
      async run(ctx, api, read) {
        const body = { labels: pairsOf(read('labels')) };
        const { token } = await api.call<{ readonly token: string }>(ctx, 'createHostToken', { body });
        const { host, protocol } = ctx.state.origin;
        const registry = `${protocol}://${host}${ctx.state.pathPrefix}`;
        return { title: 'A join token', secret: token, command: `berth-agent join ${registry} -` };
      },
    },
    drain: {
      done: 'The host gets no new instances, and those that it has move away.',
      next: (ctx) => hostPath(ctx, asked(ctx, 'name')),
      ask: (ctx) => ({
        title: `Drain ${asked(ctx, 'name')}?`,
        text: html`<p>Its instances move to other hosts as far as these may have them, and it gets no new ones until it is resumed.</p>`,
        verb: 'Drain',
        back: hostPath(ctx, asked(ctx, 'name')),
      }),
      run: (ctx, api) => setDraining(ctx, api, true),
    },
    resume: {
      done: 'The host gets instances again.',
      next: (ctx) => hostPath(ctx, asked(ctx, 'name')),
      run: (ctx, api) => setDraining(ctx, api, false),
    },
    labels: {
      done: 'The labels are changed.',
      next: (ctx) => hostPath(ctx, asked(ctx, 'name')),
      async run(ctx, api, read) {
        const body = { labels: pairsOf(read('labels')) };
        await api.call(ctx, 'changeHost', { params: { name: asked(ctx, 'name') }, body });
        return undefined;
      },
    },
    remove: {
      done: 'The host is removed.',
      ask: (ctx) => ({
        title: `Remove the host ${asked(ctx, 'name')}?`,
        text: html`<p>It loses all access within a minute. Its containers keep running until somebody stops them.</p>`,
        verb: 'Remove',
        back: hostPath(ctx, asked(ctx, 'name')),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeHost', { params: { name: asked(ctx, 'name') } });
        return undefined;
      },
    },
  },
};

async function setDraining(ctx: RequestContext, api: ApiCalls, draining: boolean): Promise<undefined> {
  await api.call(ctx, 'changeHost', { params: { name: asked(ctx, 'name') }, body: { draining } });
  return undefined;
}

function hostPath(ctx: RequestContext, name: string): string {
  return pathOf(ctx, '/hosts/one', { name });
}

/** Returns the state of a host; one that drains may be offline too. */
function stateOf({ draining, state }: Host): Html {
  return html`${stateTag(state)}${draining && state !== 'draining' && html` ${stateTag('draining')}`}`;
}

function labelTags(labels: Readonly<Record<string, string>>): Html {
  const items = Object.entries(labels).map(([key, value]) => html`<li class="tag">${key}=${value}</li>`);
  return html`<ul class="list">${items}</ul>`;
}

async function showHost(ctx: RequestContext, api: ApiCalls): Promise<Html> {
  const host = await api.call<Host>(ctx, 'getHost', { params: { name: asked(ctx, 'name') } });
  const { name } = host;
  const drain = host.draining
    ? buttonForm(ctx, pathOf(ctx, '/hosts/resume', { name }), 'Resume')
    : html`<a class="button" href="${pathOf(ctx, '/hosts/drain', { name })}" data-dialog>Drain</a>`;
  const rows = host.apps.map((app) => [html`<a href="${pathOf(ctx, '/apps/one', { app })}">${app}</a>`]);
  return html`${pageHead(name, {
    crumbs: [{ href: pathOf(ctx, '/hosts'), text: 'Hosts' }],
    actions: html`${drain}${askingLink(pathOf(ctx, '/hosts/remove', { name }), 'Remove')}`,
  })}${livePart(
    ctx,
    { id: 'host', names: ['host', 'rollout'] },
    html`<div class="sheet">${facts([
      ['State', stateOf(host)],
      ['Last seen', timeOf(host.seenAt)],
      ['Joined', timeOf(host.joinedAt)],
      ['Platform', host.facts.platform],
      ['System', host.facts.operatingSystem],
      ['Processors', host.facts.processors],
      ['Memory', formatBytes(host.facts.memory)],
      ['Agent', host.facts.version],
    ])}</div><section><h2>Apps</h2>${
      rows.length === 0
        ? empty('No apps', html`<p>Nothing runs here.</p>`)
        : table(`Apps on ${name}`, [{ head: 'App' }], rows)
    }</section>`,
  )}${sectionForm(ctx, {
    id: 'change-labels',
    title: 'Change the labels',
    action: pathOf(ctx, '/hosts/labels', { name }),
    button: 'Save',
    content: area('labels', {
      label: 'Labels',
      name: 'labels',
      value: Object.entries(host.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join('\n'),
      help: html`One per line, such as <code>role=web</code>.`,
    }),
  })}`;
}
