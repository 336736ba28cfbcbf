import { type Html, html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import type { ShownCredential } from '../credential-parts.ts';
import { timeOf } from '../format.ts';
import { asked } from '../page-context.ts';
import { check, empty, facts, field, pageHead, pager, table } from '../parts.ts';
import { askingLink } from '../question.ts';
import { type Section, sectionForm } from '../section/section.ts';
import { sectionPath } from './admin-tabs.ts';

interface User {
  readonly name: string;
  readonly admin: boolean;
  readonly createdAt: string;
  readonly hasPassword: boolean;
}

interface Identity {
  readonly issuer: string;
  readonly subject: string;
}

/** People: accounts, with their tokens and links to providers. */
export const USERS: Section = {
  path: '/admin/users',
  title: 'Users',
  lead: 'People who can log in.',
  async show(ctx, api, draft) {
    const after = asked(ctx, 'after');
    const query = { limit: '100', ...(after !== '' && { after }) };
    const { next, users } = await api.call<{ readonly users: readonly User[]; readonly next: string | null }>(
      ctx,
      'listUsers',
      { query },
    );
    const rows = users.map(({ admin, createdAt, hasPassword, name }) => [
      html`<a href="${sectionPath(ctx, 'users/one', { name })}">${name}</a>`,
      admin ? html`<span class="tag new">administrator</span>` : '',
      hasPassword ? 'password' : 'identity provider',
      timeOf(createdAt),
    ]);
    const columns = [
      { head: 'Name' },
      { head: 'Role' },
      { head: 'Logs in with', kind: 'wide' },
      { head: 'Made', kind: 'wide' },
    ] as const;
    return html`${table('Users', columns, rows)}${pager(
      after === '' ? undefined : sectionPath(ctx, 'users'),
      next === null ? undefined : sectionPath(ctx, 'users', { after: next }),
    )}${sectionForm(ctx, {
      id: 'add-user',
      title: 'Add a user',
      action: sectionPath(ctx, 'users/add'),
      button: 'Add the user',
      content: html`${field('user-name', { label: 'Name', name: 'name', value: draft.value('name'), maxLength: 64 })}
${field('user-password', { label: 'Password', name: 'password', type: 'password', autocomplete: 'new-password', isOptional: true, help: 'One is made and shown once unless you write one.' })}
${check('user-admin', { label: 'Administrator', name: 'admin', isChecked: draft.value('admin') === 'on' })}`,
    })}`;
  },
  details: { one: showUser },
  actions: {
    add: {
      done: 'The user is added.',
      async run(ctx, api, read) {
        const [name, password] = [read('name'), read('password')];
        const body = { name, admin: read('admin') === 'on', ...(password !== '' && { password }) };
        const made = await api.call<{ readonly password?: string }>(ctx, 'addUser', { body });
        if (made.password === undefined) return undefined;
        return { title: `The password of ${name}`, secret: made.password };
      },
    },
    remove: {
      done: 'The user is removed.',
      ask: (ctx) => ({
        title: `Remove the user ${asked(ctx, 'name')}?`,
        text: html`<p>The roles, tokens, robots, logins and sessions of ${asked(ctx, 'name')} are removed with the account. Images stay.</p>`,
        verb: 'Remove',
        back: sectionPath(ctx, 'users/one', { name: asked(ctx, 'name') }),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'removeUser', { params: { name: asked(ctx, 'name') } });
        return undefined;
      },
    },
    admin: {
      done: 'The role is changed.',
      next: userPath,
      async run(ctx, api, read) {
        const body = { admin: read('admin') === 'on' };
        await api.call(ctx, 'changeUser', { params: { name: asked(ctx, 'name') }, body });
        return undefined;
      },
    },
    password: {
      done: 'The password is changed.',
      next: userPath,
      async run(ctx, api, read) {
        const body = { password: read('password') };
        await api.call(ctx, 'changeUser', { params: { name: asked(ctx, 'name') }, body });
        return undefined;
      },
    },
    link: {
      done: 'The account is linked.',
      next: userPath,
      async run(ctx, api, read) {
        const body = { provider: read('provider'), subject: read('subject') };
        await api.call(ctx, 'linkIdentity', { params: { name: asked(ctx, 'name') }, body });
        return undefined;
      },
    },
    revoke: {
      done: 'The token is revoked.',
      next: userPath,
      ask: (ctx) => ({
        title: 'Revoke this token?',
        text: html`<p>Programs of ${asked(ctx, 'name')} that log in with it are refused from then on.</p>`,
        verb: 'Revoke',
        back: userPath(ctx),
      }),
      async run(ctx, api) {
        await api.call(ctx, 'revokeToken', { params: { id: asked(ctx, 'id') } });
        return undefined;
      },
    },
  },
};

function userPath(ctx: RequestContext): string {
  return sectionPath(ctx, 'users/one', { name: asked(ctx, 'name') });
}

async function showUser(ctx: RequestContext, api: ApiCalls): Promise<Html> {
  const name = asked(ctx, 'name');
  const params = { name };
  const user = await api.call<User>(ctx, 'findUser', { params });
  const { identities } = await api.call<{ readonly identities: readonly Identity[] }>(ctx, 'listIdentities', {
    params,
  });
  const { tokens } = await api.call<{ readonly tokens: readonly ShownCredential[] }>(ctx, 'listTokens', {
    query: { user: name },
  });
  const rows = tokens.map((token) => [
    token.name,
    token.scopes?.join(' ') ?? 'everything',
    timeOf(token.lastUsedAt),
    token.expiresAt === null ? 'never' : timeOf(token.expiresAt),
    askingLink(sectionPath(ctx, 'users/revoke', { name, id: token.id }), 'Revoke'),
  ]);
  return html`${pageHead(name, {
    crumbs: [{ href: sectionPath(ctx, 'users'), text: 'Users' }],
    actions: askingLink(sectionPath(ctx, 'users/remove', { name }), 'Remove the user'),
  })}
<div class="sheet">${facts([
    ['Role', user.admin ? 'administrator' : 'user'],
    ['Logs in with', user.hasPassword ? 'password' : 'identity provider'],
    ['Made', timeOf(user.createdAt)],
    [
      'At providers',
      identities.length === 0
        ? 'nobody'
        : identities.map((one) => `${one.subject} at ${one.issuer}`).join(', '),
    ],
  ])}</div>
<section><h2>Tokens</h2>${
    rows.length === 0
      ? empty('No tokens', html`<p>${name} has made none.</p>`)
      : table(
          `Tokens of ${name}`,
          [
            { head: 'Name' },
            { head: 'May', kind: 'wide' },
            { head: 'Last used' },
            { head: 'Ends', kind: 'wide' },
            { head: 'Actions', kind: 'end' },
          ],
          rows,
        )
  }</section>
<div class="columns">${sectionForm(ctx, {
    id: 'set-password',
    title: 'Set a password',
    action: sectionPath(ctx, 'users/password', { name }),
    button: 'Set the password',
    content: field('password', {
      label: 'New password',
      name: 'password',
      type: 'password',
      autocomplete: 'new-password',
      help: 'At least 8 characters. Logins with the old one end.',
    }),
  })}${sectionForm(ctx, {
    id: 'change-role',
    title: 'Role',
    action: sectionPath(ctx, 'users/admin', { name }),
    button: 'Save',
    content: check('admin', { label: 'Administrator', name: 'admin', isChecked: user.admin }),
  })}${sectionForm(ctx, {
    id: 'link-identity',
    title: 'Link to a provider',
    action: sectionPath(ctx, 'users/link', { name }),
    button: 'Link',
    content: html`${field('provider', { label: 'Provider', name: 'provider' })}${field('subject', {
      label: 'Subject',
      name: 'subject',
      help: 'The provider’s name for the person, in “sub”.',
    })}`,
  })}</div>`;
}
