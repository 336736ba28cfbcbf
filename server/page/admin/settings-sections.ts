import { WEBHOOK_EVENTS } from '../../../storage/catalog/webhook-catalog.ts';
import { html } from '../../markup/html.ts';
import { formatBytes, formatCount, timeOf } from '../format.ts';
import { asked } from '../page-context.ts';
import { area, check, choice, empty, field, table } from '../parts.ts';
import { askingLink } from '../question.ts';
import { RefusedError } from '../section/add-section.ts';
import { buttonForm, type Section, sectionForm } from '../section/section.ts';
import { pairsOf } from './access-sections.ts';
import { sectionPath } from './admin-tabs.ts';
import { showDeliveries, type Webhook } from './webhook-deliveries.ts';

const PATTERN_HELP = html`Such as <code>team/*</code>, where <code>*</code> stands for any characters.`;

interface Provider {
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly groups: Readonly<Record<string, string>>;
}

/** Identity providers whose people may log in. */
export const PROVIDERS: Section = {
  path: '/admin/providers',
  title: 'Identity providers',
  lead: 'OpenID Connect providers whose people may log in.',
  async show(ctx, api, draft) {
    const { providers } = await api.call<{ readonly providers: readonly Provider[] }>(ctx, 'listProviders');
    const rows = providers.map(({ clientId, groups, issuer, name }) => [
      name,
      issuer,
      clientId,
      formatCount(Object.keys(groups).length),
      askingLink(sectionPath(ctx, 'providers/remove', { name }), 'Remove'),
    ]);
    const columns = [
      { head: 'Name' },
      { head: 'Issuer' },
      { head: 'Client', kind: 'wide' },
      { head: 'Groups', kind: 'wide number' },
      { head: 'Actions', kind: 'end' },
    ] as const;
    const { host, protocol } = ctx.state.origin;
    const list =
      rows.length === 0
        ? empty('No providers yet', html`<p>People log in with passwords of this registry.</p>`)
        : table('Identity providers', columns, rows);
    return html`${list}${sectionForm(ctx, {
      id: 'add-provider',
      title: 'Add a provider',
      action: sectionPath(ctx, 'providers/add'),
      button: 'Add the provider',
      content: html`<p>Register <code>${protocol}://${host}${ctx.state.pathPrefix}/auth/callback</code> there first.</p>
${field('provider-name', { label: 'Name', name: 'name', value: draft.value('name') })}
${field('provider-issuer', { label: 'Issuer', name: 'issuer', type: 'url', value: draft.value('issuer'), help: 'The https address below which /.well-known/openid-configuration is.' })}
${field('client-id', { label: 'Client ID', name: 'clientId', value: draft.value('clientId') })}
${field('client-secret', { label: 'Client secret', name: 'clientSecret', type: 'password', autocomplete: 'new-password' })}
${field('name-claim', { label: 'Claim of the name', name: 'nameClaim', value: draft.value('nameClaim', 'preferred_username') })}
${area('groups', { label: 'Teams by group (optional)', name: 'groups', value: draft.value('groups'), help: html`One per line, such as <code>developers=dev</code>.` })}`,
    })}`;
  },
  actions: {
    add: {
      done: 'The provider is added.',
      async run(ctx, api, read) {
        const names = ['name', 'issuer', 'clientId', 'clientSecret', 'nameClaim'] as const;
        const fields = Object.fromEntries(names.map((name) => [name, read(name)]));
        await api.call(ctx, 'createProvider', { body: { ...fields, groups: pairsOf(read('groups')) } });
        return undefined;
      },
    },
    remove: {
      done: 'The provider is removed.',
      ask: (ctx) => ({
        title: `Remove the provider ${asked(ctx, 'name')}?`,
        text: html`<p>Its sessions end. Accounts and their tokens stay, but their people can no longer log in with it.</p>`,
        verb: 'Remove',
        back: sectionPath(ctx, 'providers'),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeProvider', { params: { name: asked(ctx, 'name') } });
        return undefined;
      },
    },
  },
};

/** Receivers of events in repositories. */
export const WEBHOOKS: Section = {
  path: '/admin/webhooks',
  title: 'Webhooks',
  lead: 'Receivers of events, as CloudEvents with a signature.',
  async show(ctx, api, draft) {
    const { webhooks } = await api.call<{ readonly webhooks: readonly Webhook[] }>(ctx, 'listWebhooks');
    const rows = webhooks.map((webhook) => {
      const { deliveredAt, dropped, events, failedAt, failure, name, pattern, url, waiting } = webhook;
      const state =
        failure === null
          ? html`<span class="tag ${deliveredAt === null ? '' : 'good'}">${deliveredAt === null ? 'nothing yet' : 'delivered'}</span> <span class="small">${timeOf(deliveredAt)}</span>`
          : html`<span class="tag bad">failed</span> <span class="small">${timeOf(failedAt)}: ${failure}</span>`;
      return [
        html`<a href="${sectionPath(ctx, 'webhooks/one', { name })}">${name}</a><span class="small">${url}</span>`,
        html`${events.join(', ')}<span class="small"><code>${pattern}</code></span>`,
        state,
        html`${formatCount(waiting)}${dropped > 0 && html`<span class="small">${formatCount(dropped)} dropped</span>`}`,
        html`<span class="actions">${buttonForm(ctx, sectionPath(ctx, 'webhooks/test', { name }), 'Test')}${askingLink(sectionPath(ctx, 'webhooks/remove', { name }), 'Remove')}</span>`,
      ];
    });
    const columns = [
      { head: 'Receiver' },
      { head: 'Events', kind: 'wide' },
      { head: 'Last delivery', kind: 'text' },
      { head: 'Waiting', kind: 'wide number' },
      { head: 'Actions', kind: 'end' },
    ] as const;
    const list =
      rows.length === 0
        ? empty(
            'No webhooks yet',
            html`<p>A webhook notifies another program of pushes, deletes, pulls and rollouts.</p>`,
          )
        : table('Webhooks', columns, rows);
    const chosen = draft.value('events', 'push delete').split(' ');
    const boxes = WEBHOOK_EVENTS.map((event) =>
      check(`event-${event}`, {
        label: event,
        name: `event-${event}`,
        isChecked: draft.value(`event-${event}`) === 'on' || chosen.includes(event),
      }),
    );
    return html`${list}${sectionForm(ctx, {
      id: 'add-webhook',
      title: 'Add a webhook',
      action: sectionPath(ctx, 'webhooks/add'),
      button: 'Add the webhook',
      content: html`${field('webhook-name', { label: 'Name', name: 'name', value: draft.value('name') })}
${field('url', { label: 'Address', name: 'url', type: 'url', value: draft.value('url') })}
${field('webhook-pattern', { label: 'Repositories', name: 'pattern', value: draft.value('pattern', '*'), help: PATTERN_HELP })}
<fieldset><legend class="label">Events</legend>${boxes}</fieldset>`,
    })}`;
  },
  details: { one: showDeliveries },
  actions: {
    add: {
      done: 'The webhook is added.',
      async run(ctx, api, read) {
        const events = WEBHOOK_EVENTS.filter((event) => read(`event-${event}`) === 'on');
        const body = { name: read('name'), url: read('url'), pattern: read('pattern'), events };
        const { secret } = await api.call<{ readonly secret: string }>(ctx, 'createWebhook', { body });
        return { title: `The secret that signs the events of ${body.name}`, secret };
      },
    },
    test: {
      done: 'A test event was delivered.',
      async run(ctx, api) {
        const params = { name: asked(ctx, 'name') };
        const { delivered, failure } = await api.call<{
          readonly delivered: boolean;
          readonly failure: string | null;
        }>(ctx, 'testWebhook', { params });
        if (!delivered) throw new RefusedError(`The test event was not delivered: ${failure ?? 'no answer'}`);
        return undefined;
      },
    },
    remove: {
      done: 'The webhook is removed.',
      ask: (ctx) => ({
        title: `Remove the webhook ${asked(ctx, 'name')}?`,
        text: html`<p>Its waiting events are dropped.</p>`,
        verb: 'Remove',
        back: sectionPath(ctx, 'webhooks'),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeWebhook', { params: { name: asked(ctx, 'name') } });
        return undefined;
      },
    },
  },
};

interface TagRule {
  readonly pattern: string;
  readonly tags: string;
  readonly kind: string;
}

/** Immutable tags, and tags that only maintainers set. */
export const TAG_RULES: Section = {
  path: '/admin/tag-rules',
  title: 'Tag rules',
  lead: 'Immutable tags cannot be moved or deleted; only maintainers set protected tags.',
  async show(ctx, api, draft) {
    const { tagRules } = await api.call<{ readonly tagRules: readonly TagRule[] }>(ctx, 'listTagRules');
    const rows = tagRules.map(({ kind, pattern, tags }) => [
      html`<code>${pattern}</code>`,
      html`<code>${tags}</code>`,
      kind,
      askingLink(sectionPath(ctx, 'tag-rules/remove', { pattern, tags }), 'Remove'),
    ]);
    const list =
      rows.length === 0
        ? empty('No rules yet', html`<p>Everybody who may push can move every tag.</p>`)
        : table(
            'Tag rules',
            [{ head: 'Repositories' }, { head: 'Tags' }, { head: 'Rule' }, { head: 'Actions', kind: 'end' }],
            rows,
          );
    return html`${list}${sectionForm(ctx, {
      id: 'set-rule',
      title: 'Set a rule',
      action: sectionPath(ctx, 'tag-rules/set'),
      button: 'Set the rule',
      content: html`${field('tag-pattern', { label: 'Repositories', name: 'pattern', value: draft.value('pattern'), help: PATTERN_HELP })}
${field('tags', { label: 'Tags', name: 'tags', value: draft.value('tags'), help: html`Such as <code>v*</code>.` })}
${choice('kind', {
  label: 'Rule',
  name: 'kind',
  value: draft.value('kind', 'immutable'),
  values: [
    ['immutable', 'immutable'],
    ['protected', 'protected'],
  ],
})}`,
    })}`;
  },
  actions: {
    set: {
      done: 'The rule is set.',
      async run(ctx, api, read) {
        const body = { pattern: read('pattern'), tags: read('tags'), kind: read('kind') };
        await api.call(ctx, 'setTagRule', { body });
        return undefined;
      },
    },
    remove: {
      done: 'The rule is removed.',
      ask: (ctx) => ({
        title: 'Remove this rule?',
        text: html`<p>Tags <code>${asked(ctx, 'tags')}</code> of <code>${asked(ctx, 'pattern')}</code> can be moved and deleted again.</p>`,
        verb: 'Remove',
        back: sectionPath(ctx, 'tag-rules'),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeTagRule', {
          query: { pattern: asked(ctx, 'pattern'), tags: asked(ctx, 'tags') },
        });
        return undefined;
      },
    },
  },
};

interface Quota {
  readonly pattern: string;
  readonly bytes: number;
  readonly used: number;
}

/** Limits on the bytes of repositories. */
export const QUOTAS: Section = {
  path: '/admin/quotas',
  title: 'Quotas',
  lead: 'Limits on the total size of the repositories of a pattern.',
  async show(ctx, api, draft) {
    const { quotas } = await api.call<{ readonly quotas: readonly Quota[] }>(ctx, 'listQuotas');
    const rows = quotas.map(({ bytes, pattern, used }) => [
      html`<code>${pattern}</code>`,
      html`${formatBytes(used)} of ${formatBytes(bytes)}<progress class="bar" max="${bytes}" value="${Math.min(used, bytes)}" aria-label="Used of ${pattern}"></progress>`,
      askingLink(sectionPath(ctx, 'quotas/remove', { pattern }), 'Remove'),
    ]);
    const list =
      rows.length === 0
        ? empty('No quotas yet', html`<p>Only the disk limits the size of repositories.</p>`)
        : table(
            'Quotas',
            [{ head: 'Repositories' }, { head: 'Used', kind: 'text' }, { head: 'Actions', kind: 'end' }],
            rows,
          );
    return html`${list}${sectionForm(ctx, {
      id: 'set-quota',
      title: 'Set a quota',
      action: sectionPath(ctx, 'quotas/set'),
      button: 'Set the quota',
      content: html`${field('quota-pattern', { label: 'Repositories', name: 'pattern', value: draft.value('pattern'), help: PATTERN_HELP })}
${field('bytes', { label: 'Size', name: 'bytes', value: draft.value('bytes'), help: html`Such as <code>20GiB</code>.` })}`,
    })}`;
  },
  actions: {
    set: {
      done: 'The quota is set.',
      async run(ctx, api, read) {
        await api.call(ctx, 'setQuota', { body: { pattern: read('pattern'), bytes: read('bytes') } });
        return undefined;
      },
    },
    remove: {
      done: 'The quota is removed.',
      ask: (ctx) => ({
        title: 'Remove this quota?',
        text: html`<p>The repositories of <code>${asked(ctx, 'pattern')}</code> may then hold as much as other quotas and the disk allow.</p>`,
        verb: 'Remove',
        back: sectionPath(ctx, 'quotas'),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeQuota', { query: { pattern: asked(ctx, 'pattern') } });
        return undefined;
      },
    },
  },
};
