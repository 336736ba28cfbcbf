import type { Middleware } from 'koa';
import { makePersonalToken } from '../../auth/administration/make-credential.ts';
import type { AuthStore } from '../../auth/auth-store.ts';
import { html } from '../markup/html.ts';
import type { BrowserSession, RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import { answerPage } from './answer-page.ts';
import { readSessionForm, sessionField } from './forms.ts';
import { askedReturn, type LoginPageDependencies, showLogin } from './login-page.ts';
import { ownOrigin } from './own-origin.ts';
import { requireSession, sessionOf } from './session-of.ts';

/** Lifetime of a token made here, milliseconds. */
const TOKEN_LIFE = 90 * 24 * 60 * 60 * 1000;

/** Adds the page where people log in, see their account, and make tokens for docker. */
export function addHomePage(
  router: RequestRouter,
  dependencies: LoginPageDependencies & { readonly store: AuthStore },
  pages: Middleware<RequestState>,
): void {
  const { store, sessions } = dependencies;
  router.get('/', pages, async (ctx) => {
    ownOrigin(ctx);
    const session = await sessionOf(ctx, sessions);
    if (session === undefined) await showLogin(ctx, dependencies, { returnTo: askedReturn(ctx) });
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
<p><a class="button" href="${ctx.state.pathPrefix}/auth/">Back</a></p>`,
    );
  });

  function showPerson(ctx: RequestContext, { name, secret }: BrowserSession): void {
    const { pathPrefix, origin } = ctx.state;
    answerPage(
      ctx,
      200,
      name,
      html`<h1>${origin.host}</h1>
<p class="lead">You are logged in as <strong id="name">${name}</strong>.</p>
<h2>A token for docker</h2>
<form id="make-token" method="post" action="${pathPrefix}/auth/tokens" class="sheet">${sessionField(secret)}
<div class="field"><label for="token-name">What it is for</label><input id="token-name" name="name" value="docker" maxlength="100" required></div>
<button class="main">Make a token</button></form>
<h2>Connect a terminal</h2>
<p><a href="${pathPrefix}/auth/device">Enter the code that the terminal shows</a></p>`,
    );
  }
}
