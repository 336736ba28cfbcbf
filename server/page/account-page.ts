import type { AccountStore } from '../../auth/accounts/account-store.ts';
import type { ListedSession, Sessions } from '../../auth/sessions/sessions.ts';
import { RegistryError } from '../errors.ts';
import { showPage } from '../login/answer-page.ts';
import { formField } from '../login/forms.ts';
import { beginSession } from '../login/login-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import type { ApiCalls } from './api-calls.ts';
import {
  dockerLogin,
  lifeField,
  type ShownCredential,
  scopesField,
  showSecret,
  termsOf,
} from './credential-parts.ts';
import { timeOf } from './format.ts';
import { asked, goTo, pathOf, readFields, requireLogin } from './page-context.ts';
import { command, empty, field, notice, pageHead, table } from './parts.ts';
import { askBefore, askingLink } from './question.ts';

export interface AccountDependencies {
  readonly api: ApiCalls;
  readonly sessions: Sessions;
  readonly store: { readonly accounts: Pick<AccountStore, 'find'> };
}

const DONE: Readonly<Record<string, string>> = {
  password:
    'The password is changed. Other browsers and programs that used the old one have to log in again.',
  revoked: 'The token is revoked.',
  ended: 'The session has ended.',
};

/** Adds the pages of the logged-in person: tokens, sessions, the password, and commands to log in. */
export function addAccountPages(router: RequestRouter, dependencies: AccountDependencies): void {
  const { api, sessions } = dependencies;

  router.get('/account', (ctx) => showAccount(ctx, dependencies));

  router.post('/account/tokens', async (ctx) => {
    requireLogin(ctx);
    const read = await readFields(ctx);
    const body = { name: read('name'), ...termsOf(read) };
    const made = await api.call<{ readonly secret: string }>(ctx, 'makeToken', { body });
    showSecret(ctx, {
      title: 'Your token',
      secret: made.secret,
      back: pathOf(ctx, '/account'),
      command: dockerLogin(ctx, requireLogin(ctx).name),
    });
  });

  router.get('/account/tokens/:id/revoke', async (ctx) => {
    requireLogin(ctx);
    const tokens = await tokensOf(ctx, api);
    const token = tokens.find(({ id }) => id === ctx.params.id);
    if (token === undefined) throw new RegistryError('ENTRY_UNKNOWN', 'you have no such token');
    askBefore(ctx, {
      title: `Revoke the token “${token.name}”?`,
      text: html`<p>Programs that log in with it are refused from then on. A revoked token cannot be brought back.</p>`,
      verb: 'Revoke',
      back: pathOf(ctx, '/account'),
    });
  });

  router.post('/account/tokens/:id/revoke', async (ctx) => {
    requireLogin(ctx);
    await readFields(ctx);
    await api.call(ctx, 'revokeToken', { params: { id: ctx.params.id ?? '' } });
    goTo(ctx, pathOf(ctx, '/account', { done: 'revoked' }));
  });

  router.post('/account/sessions/:id/end', async (ctx) => {
    const { name } = requireLogin(ctx);
    await readFields(ctx);
    if (!(await sessions.endById(name, ctx.params.id ?? ''))) {
      throw new RegistryError('ENTRY_UNKNOWN', 'you have no such session: it may have ended already');
    }
    goTo(ctx, pathOf(ctx, '/account', { done: 'ended' }));
  });

  router.post('/account/password', async (ctx) => {
    const { name } = requireLogin(ctx);
    const read = await readFields(ctx);
    const body = { currentPassword: read('current'), password: read('password') };
    await api.call(ctx, 'changeUser', { params: { name }, body });
    // The session began with the old password, and ended with it.
    await beginSession(ctx, sessions, name, '');
    goTo(ctx, pathOf(ctx, '/account', { done: 'password' }));
  });
}

async function tokensOf(ctx: RequestContext, api: ApiCalls): Promise<readonly ShownCredential[]> {
  const { tokens } = await api.call<{ readonly tokens: readonly ShownCredential[] }>(ctx, 'listTokens');
  return tokens;
}

async function showAccount(
  ctx: RequestContext,
  { api, sessions, store }: AccountDependencies,
): Promise<void> {
  const { name, secret } = requireLogin(ctx);
  const [tokens, browsers, account] = await Promise.all([
    tokensOf(ctx, api),
    sessions.list(name, secret),
    store.accounts.find(name),
  ]);
  const done = DONE[asked(ctx, 'done')];
  const { host } = ctx.state.origin;
  showPage(ctx, {
    title: name,
    main: html`${pageHead(name, { lead: 'Your account' })}${done !== undefined && notice('good', done)}
<div class="columns"><section class="sheet"><h2>Log in with docker</h2>
<p>Make a token, and paste it when docker asks for the password. podman, skopeo, helm and oras take the same.</p>
${command(`docker login --username ${name} ${host}`)}
<p>Or log in from the terminal by way of this page:</p>${command(`berth login ${ctx.state.origin.protocol}://${host}`)}
<p><a href="${pathOf(ctx, '/auth/device')}">Enter the code that a terminal shows</a></p></section>
<section class="sheet"><h2>Make a token</h2>
<form id="make-token" method="post" action="${pathOf(ctx, '/account/tokens')}">${formField(ctx)}
${field('token-name', { label: 'What it is for', name: 'name', value: 'docker', maxLength: 100 })}${scopesField('token-scopes', true)}${lifeField('token-life')}
<button class="main">Make a token</button></form></section></div>
<section><h2>Tokens</h2>${tokensTable(ctx, tokens)}</section>
<section><h2>Sessions</h2>${sessionsTable(ctx, browsers)}</section>
${account?.passwordHash !== undefined && passwordForm(ctx)}`,
  });
}

function tokensTable(ctx: RequestContext, tokens: readonly ShownCredential[]): Html {
  if (tokens.length === 0) {
    return empty('No tokens yet', html`<p>A token replaces your password in programs.</p>`);
  }
  const rows = tokens.map((token) => [
    token.name,
    token.scopes === null ? 'All your rights' : html`<code>${token.scopes.join(' ')}</code>`,
    timeOf(token.createdAt),
    timeOf(token.lastUsedAt),
    token.expiresAt === null ? 'never' : timeOf(token.expiresAt),
    askingLink(pathOf(ctx, `/account/tokens/${encodeURIComponent(token.id)}/revoke`), 'Revoke'),
  ]);
  return table(
    'Your tokens',
    [
      { head: 'Name' },
      { head: 'May', kind: 'wide' },
      { head: 'Made', kind: 'wide' },
      { head: 'Last used' },
      { head: 'Ends', kind: 'wide' },
      { head: 'Actions', kind: 'end' },
    ],
    rows,
  );
}

function sessionsTable(ctx: RequestContext, browsers: readonly ListedSession[]): Html {
  const rows = browsers.map((session) => [
    html`${describeClient(session.client)}${session.isCurrent && html` <span class="tag good">this browser</span>`}`,
    session.provider === '' ? 'password' : session.provider,
    session.address === '' ? '–' : session.address,
    timeOf(session.createdAt),
    timeOf(session.expiresAt),
    html`<form method="post" action="${pathOf(ctx, `/account/sessions/${session.id}/end`)}">${formField(ctx)}<button class="bad">End</button></form>`,
  ]);
  return table(
    'Your sessions',
    [
      { head: 'Browser' },
      { head: 'Logged in by', kind: 'wide' },
      { head: 'Address', kind: 'wide' },
      { head: 'Began' },
      { head: 'Ends', kind: 'wide' },
      { head: 'Actions', kind: 'end' },
    ],
    rows,
  );
}

/** Returns the name of a browser and its system, if its user agent contains them; otherwise the whole text. */
function describeClient(client: string): string {
  // Most also name Chrome and Safari.
  const browser = ['Firefox', 'Edg', 'OPR', 'Chrome', 'Safari'].find((one) => client.includes(`${one}/`));
  const system = /\b(Windows|Android|iPhone|iPad|Mac OS X|Linux)\b/.exec(client)?.[1];
  const names: Readonly<Record<string, string>> = { Edg: 'Edge', OPR: 'Opera', 'Mac OS X': 'macOS' };
  if (browser === undefined) return client === '' ? 'Unknown' : client.slice(0, 60);
  return [browser, system].flatMap((one) => (one === undefined ? [] : [names[one] ?? one])).join(' on ');
}

function passwordForm(ctx: RequestContext): Html {
  return html`<section><h2>Password</h2><form id="change-password" method="post" action="${pathOf(ctx, '/account/password')}" class="sheet">${formField(ctx)}
${field('current', { label: 'Current password', name: 'current', type: 'password', autocomplete: 'current-password' })}
${field('new-password', { label: 'New password', name: 'password', type: 'password', autocomplete: 'new-password', help: 'At least 8 characters.' })}
<button>Change the password</button></form></section>`;
}
