import type { LoginChecks } from '../../auth/providers/provider-client.ts';
import { isJsonObject } from '../../oci/json-object.ts';
import type { RequestContext } from '../request-context.ts';
import { clearCookie, readCookie, setCookie } from './cookies.ts';

/** Seconds. */
const LIFE = 10 * 60;

/**
 * A login that has begun in this browser. The browser keeps it, so that any replica can finish it, and only this
 * browser can.
 */
export interface BegunLogin {
  readonly checks: LoginChecks;
  readonly provider: string;
  /** Of return-path.ts; to be looked at again. */
  readonly returnTo: string;
}

export function keepBegunLogin(ctx: RequestContext, { checks, provider, returnTo }: BegunLogin): void {
  const text = JSON.stringify({ ...checks, provider, returnTo });
  setCookie(ctx, 'berth-login', Buffer.from(text).toString('base64url'), LIFE);
}

/** Once: it is forgotten here. Undefined when there is none, or what there is was not made here. */
export function takeBegunLogin(ctx: RequestContext): BegunLogin | undefined {
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
