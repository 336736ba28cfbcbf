import type { Middleware } from 'koa';
import type { LoginMethod } from '../../auth/authenticators/login-method.ts';
import { CredentialsInvalidError, TooManyAttemptsError } from '../../auth/errors.ts';
import type { ProviderStore } from '../../auth/providers/provider.ts';
import { SESSION_LIFE, type Sessions } from '../../auth/sessions/sessions.ts';
import { refusalOf } from '../audit/refusal-of.ts';
import type { Refusal } from '../audit/refusals.ts';
import { answerEmpty } from '../http/answer.ts';
import { type Html, html } from '../markup/html.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import { showPage } from './answer-page.ts';
import { readCookie, setCookie } from './cookies.ts';
import { formField, readMarkedForm } from './forms.ts';
import { ownOrigin, returnPath } from './own-origin.ts';
import { sessionOf } from './session-of.ts';

/** Maximum characters of a name that the form shows again. */
const LONGEST_NAME = 128;

export interface LoginPageDependencies {
  readonly sessions: Sessions;
  readonly store: { readonly providers: Pick<ProviderStore, 'list'> };
  /** Verifies passwords, and limits attempts. */
  readonly passwords: LoginMethod;
}

interface Attempt {
  readonly returnTo?: string | undefined;
  readonly name?: string;
  readonly failure?: string;
}

/** Shows the form where people log in, with a password of this registry or at a provider. */
export async function showLogin(
  ctx: RequestContext,
  { store }: Pick<LoginPageDependencies, 'store'>,
  { failure, name, returnTo }: Attempt,
  status = 200,
): Promise<void> {
  const { pathPrefix: prefix, origin } = ctx.state;
  const back = returnTo && html`<input type="hidden" name="return" value="${returnTo}">`;
  showPage(ctx, {
    status,
    title: 'Log in',
    narrow: true,
    main: html`<h1>Log in</h1><p class="lead">to ${origin.host}</p>
${failure !== undefined && html`<div class="notice bad" role="alert"><p id="error">${failure}</p></div>`}
<form id="log-in" method="post" action="${prefix}/auth/password" class="sheet">${formField(ctx)}${back}
<div class="field"><label for="user">Name</label><input id="user" name="user" value="${name ?? ''}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="${LONGEST_NAME}" required></div>
<div class="field"><label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required></div>
<button class="main">Log in</button></form>
${providerLinks(prefix, await store.providers.list(), returnTo)}`,
  });
}

function providerLinks(
  prefix: string,
  providers: readonly { readonly name: string }[],
  returnTo: string | undefined,
): Html {
  if (providers.length === 0) return html``;
  const links = providers.map(({ name }) => {
    const query = new URLSearchParams({
      provider: name,
      ...(returnTo !== undefined && { return: returnTo }),
    });
    return html`<li><a class="button" href="${prefix}/auth/login?${query.toString()}">${name}</a></li>`;
  });
  return html`<h2>Log in with</h2><ul id="providers" class="list">${links}</ul>`;
}

/**
 * `POST /auth/password`. A missing account and a wrong password get the same answer, after the same work. The browser's
 * session is replaced by a new one, so that no attacker can choose it.
 */
export function addPasswordLogin(
  router: RequestRouter,
  dependencies: LoginPageDependencies,
  pages: Middleware<RequestState>,
  note: (refusal: Refusal) => void,
): void {
  const { passwords, sessions } = dependencies;
  router.post('/password', pages, async (ctx) => {
    const origin = ownOrigin(ctx);
    await sessionOf(ctx, sessions);
    const form = await readMarkedForm(ctx);
    const { pathPrefix: prefix, signal } = ctx.state;
    const returnTo = returnPath(form.get('return') ?? undefined, prefix);
    const user = form.get('user') ?? '';
    const name = user.slice(0, LONGEST_NAME);
    ctx.state.triedName = name;
    try {
      const remote = ctx.state.origin.remote;
      const identity = await passwords.logIn(
        { user, password: form.get('password') ?? '' },
        { remote, signal },
      );
      if (identity === undefined || identity.kind !== 'user') throw new CredentialsInvalidError();
      const secret = await beginSession(ctx, sessions, identity.name, '');
      ctx.state.identity = (await sessions.identify(secret)) ?? identity;
    } catch (error) {
      if (error instanceof TooManyAttemptsError) {
        ctx.set('Retry-After', String(error.retryAfter));
        const failure = `Too many logins have failed. Try again in ${waitOf(error.retryAfter)}.`;
        return showLogin(ctx, dependencies, { failure, name, returnTo }, 429);
      }
      if (!(error instanceof CredentialsInvalidError)) throw error;
      const failure = 'The name or the password is wrong.';
      const refusal = refusalOf(ctx, 401, 'the name or the password is wrong');
      if (refusal !== undefined) note(refusal);
      return showLogin(ctx, dependencies, { failure, name, returnTo }, 401);
    }
    const path = returnTo ?? startOf(ctx);
    answerEmpty(ctx, 303, { 'Cache-Control': 'no-store', Location: `${origin}${path}` });
  });
}

/** Ends the session of this browser, if it has one, and begins another. Returns the secret. */
export async function beginSession(
  ctx: RequestContext,
  sessions: Sessions,
  account: string,
  provider: string,
): Promise<string> {
  const before = readCookie(ctx, 'berth-session');
  if (before !== undefined) await sessions.end(before);
  const { remote: address } = ctx.state.origin;
  const client = ctx.get('User-Agent');
  const secret = await sessions.begin(account, provider, {
    client,
    ...(address !== undefined && { address }),
  });
  setCookie(ctx, 'berth-session', secret, SESSION_LIFE / 1000);
  return secret;
}

/** Returns the path after a login without a destination. */
export function startOf(ctx: RequestContext): string {
  return `${ctx.state.pathPrefix}${ctx.state.offers?.pages ? '/' : '/auth/'}`;
}

/** Returns the destination of a request after the login. */
export function askedReturn(ctx: RequestContext): string | undefined {
  return returnPath(queryOf(ctx, 'return'), ctx.state.pathPrefix);
}

function waitOf(seconds: number): string {
  return seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}
