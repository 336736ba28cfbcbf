import type { Middleware } from 'koa';
import { makePersonalToken } from '../../auth/administration/make-credential.ts';
import type { AuthStore } from '../../auth/auth-store.ts';
import type { Sessions } from '../../auth/sessions/sessions.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import { answerPage } from './answer-page.ts';
import { readSessionForm, sessionField } from './forms.ts';
import { html } from './html.ts';
import { ownOrigin, returnPath } from './own-origin.ts';
import { type BrowserSession, requireSession, sessionOf } from './session-of.ts';

/** Milliseconds that a token made here lasts. */
const TOKEN_LIFE = 90 * 24 * 60 * 60 * 1000;

/** The page at which people log in, see who they are, and make tokens for docker. */
export function addHomePage(
  router: RequestRouter,
  { store, sessions }: { readonly store: AuthStore; readonly sessions: Sessions },
  pages: Middleware<RequestState>,
): void {
  router.get('/', pages, async (ctx) => {
    ownOrigin(ctx);
    const session = await sessionOf(ctx, sessions);
    if (session === undefined) await showProviders(ctx);
    else showPerson(ctx, session);
  });

  router.post('/tokens', pages, async (ctx) => {
    const { host } = new URL(ownOrigin(ctx));
    const session = await requireSession(ctx, sessions);
    const form = await readSessionForm(ctx, session.secret);
    const expiresAt = new Date(Date.now() + TOKEN_LIFE);
    const label = form.get('name') ?? '';
    const { secret } = await makePersonalToken(store.credentials, session.name, label, { expiresAt });
    answerPage(
      ctx,
      201,
      'Your token',
      html`<h1>Your token</h1>
<p>It is shown this once, counts in place of a password, and ends on ${expiresAt.toISOString().slice(0, 10)}:</p>
<pre id="token">${secret}</pre>
<p>Run this, and paste the token when it asks for the password:</p>
<pre id="docker-login">docker login --username ${session.name} ${host}</pre>
<p><a href="${ctx.state.pathPrefix}/auth/">Back</a></p>`,
    );
  });

  async function showProviders(ctx: RequestContext): Promise<void> {
    const returnTo = returnPath(queryOf(ctx, 'return'), ctx.state.pathPrefix);
    const links = (await store.providers.list()).map(({ name }) => {
      const query = new URLSearchParams({
        provider: name,
        ...(returnTo !== undefined && { return: returnTo }),
      });
      return html`<li><a href="${ctx.state.pathPrefix}/auth/login?${query.toString()}">${name}</a></li>`;
    });
    const choice =
      links.length === 0
        ? html`<p>This registry has no identity provider: an administrator adds one with <code>berth provider add</code>.</p>`
        : html`<p>Log in with</p><ul id="providers">${links}</ul>`;
    answerPage(ctx, 200, 'Log in', html`<h1>Log in to ${ctx.state.origin.host}</h1>${choice}`);
  }

  function showPerson(ctx: RequestContext, { name, secret }: BrowserSession): void {
    const { pathPrefix, origin } = ctx.state;
    answerPage(
      ctx,
      200,
      name,
      html`<h1>${origin.host}</h1>
<p>You are logged in as <strong id="name">${name}</strong>.</p>
<h2>A token for docker</h2>
<form id="make-token" method="post" action="${pathPrefix}/auth/tokens">${sessionField(secret)}
<label>What it is for: <input name="name" value="docker" maxlength="100" required></label> <button>Make a token</button></form>
<h2>A terminal that waits</h2>
<p><a href="${pathPrefix}/auth/device">Enter the code that it shows</a></p>
<form id="logout" method="post" action="${pathPrefix}/auth/logout">${sessionField(secret)}<button>Log out</button></form>`,
    );
  }
}
