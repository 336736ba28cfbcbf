import type { Middleware } from 'koa';
import type { AuthStore } from '../../auth/auth-store.ts';
import { EntryUnknownError, LoginRefusedError } from '../../auth/errors.ts';
import { accountFor } from '../../auth/providers/account-for.ts';
import type { Provider } from '../../auth/providers/provider.ts';
import type { LoginChecks, ProviderClient } from '../../auth/providers/provider-client.ts';
import type { Sessions } from '../../auth/sessions/sessions.ts';
import { networkOf } from '../../lib/http/addresses.ts';
import { FairQueue } from '../../lib/sync/fair-queue.ts';
import { isJsonObject } from '../../oci/json.ts';
import { answerEmpty } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import { clearCookie, readCookie, setCookie } from './cookies.ts';
import { readSessionForm } from './forms.ts';
import { beginSession, startOf } from './login-page.ts';
import { ownOrigin, returnPath } from './own-origin.ts';
import { sessionOf } from './session-of.ts';

/** Lifetime of a login that was started, seconds. */
const LIFE = 10 * 60;

/**
 * A login that was started in this browser. The browser stores it, so that any replica can finish it, and only this
 * browser can.
 */
interface BegunLogin {
  readonly checks: LoginChecks;
  readonly provider: string;
  /** Was validated by return-path.ts, and must be validated again. */
  readonly returnTo: string;
}

function keepBegunLogin(ctx: RequestContext, { checks, provider, returnTo }: BegunLogin): void {
  const text = JSON.stringify({ ...checks, provider, returnTo });
  setCookie(ctx, 'berth-login', Buffer.from(text).toString('base64url'), LIFE);
}

/** Reads and deletes the started login. Undefined if there is none, or it was not made here. */
function takeBegunLogin(ctx: RequestContext): BegunLogin | undefined {
  const cookie = readCookie(ctx, 'berth-login');
  clearCookie(ctx, 'berth-login');
  const value = cookie === undefined ? undefined : parse(Buffer.from(cookie, 'base64url').toString('utf8'));
  if (!isJsonObject(value)) return undefined;
  const { state, nonce, verifier, provider, returnTo } = value;
  for (const text of [state, nonce, verifier, provider, returnTo]) {
    if (typeof text !== 'string' || text === '') return undefined;
  }
  const text = value as Readonly<Record<string, string>>;
  return {
    checks: { state: text.state ?? '', nonce: text.nonce ?? '', verifier: text.verifier ?? '' },
    provider: text.provider ?? '',
    returnTo: text.returnTo ?? '',
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Maximum concurrent requests to providers: each is work for them, too. */
const AT_ONCE = 8;
const NOT_STORED = { 'Cache-Control': 'no-store', 'Referrer-Policy': 'same-origin' };

export interface BrowserLoginDependencies {
  readonly store: AuthStore;
  readonly sessions: Sessions;
  readonly providers: ProviderClient;
}

/** Adds the routes from here to the provider, and back to a session. */
export function addBrowserRoutes(
  router: RequestRouter,
  { store, sessions, providers }: BrowserLoginDependencies,
  pages: Middleware<RequestState>,
): void {
  const questions = new FairQueue(AT_ONCE);

  router.get('/login', pages, async (ctx) => {
    const back = callbackOf(ctx);
    const returnTo = returnPath(queryOf(ctx, 'return'), ctx.state.pathPrefix) ?? homeOf(ctx);
    const provider = await providerOf(queryOf(ctx, 'provider') ?? '');
    const { url, checks } = await inTurn(ctx, () => providers.begin(provider, back.href));
    keepBegunLogin(ctx, { checks, provider: provider.name, returnTo });
    answerEmpty(ctx, 303, { ...NOT_STORED, Location: url.href });
  });

  router.get('/callback', pages, async (ctx) => {
    const callback = callbackOf(ctx);
    callback.search = ctx.querystring;
    const begun = takeBegunLogin(ctx);
    const { provider, account } = await inTurn(ctx, async () => {
      if (begun === undefined) {
        throw new LoginRefusedError(
          'this browser has not started a login here, or it has expired: start again',
        );
      }
      const provider = await providerOf(begun.provider);
      const claims = await providers.finish(provider, callback, begun.checks);
      return { provider, account: await accountFor(store, provider, claims) };
    });
    const secret = await beginSession(ctx, sessions, account, provider.name);
    ctx.state.identity = (await sessions.identify(secret)) ?? ctx.state.identity;
    const path = returnPath(begun?.returnTo, ctx.state.pathPrefix) ?? homeOf(ctx);
    answerEmpty(ctx, 303, { ...NOT_STORED, Location: `${callback.origin}${path}` });
  });

  router.post('/logout', pages, async (ctx) => {
    const origin = ownOrigin(ctx);
    const session = await sessionOf(ctx, sessions);
    if (session !== undefined) {
      await readSessionForm(ctx, session.secret);
      await sessions.end(session.secret);
    }
    clearCookie(ctx, 'berth-session');
    answerEmpty(ctx, 303, { ...NOT_STORED, Location: `${origin}${startOf(ctx)}` });
  });

  async function providerOf(name: string): Promise<Provider> {
    const provider = await store.providers.find(name);
    if (provider === undefined) throw new EntryUnknownError('there is no identity provider of this name');
    return provider;
  }

  /** Runs work in turn by address: an address that begins many logins delays only its own. */
  function inTurn<Result>(ctx: RequestContext, work: () => Promise<Result>): Promise<Result> {
    const { origin, signal } = ctx.state;
    return questions.hold({ lane: 0, keys: [networkOf(origin.remote), ''] }, signal, work);
  }
}

/** Returns the redirect URI for providers. */
function callbackOf(ctx: RequestContext): URL {
  return new URL(`${ownOrigin(ctx)}${ctx.state.pathPrefix}/auth/callback`);
}

function homeOf(ctx: RequestContext): string {
  return `${ctx.state.pathPrefix}/auth/`;
}
