import type { RequestContext } from '../request-context.ts';

/** Cookies of this server: the session, a started login, and the secret of forms without a session. */
export type CookieName = 'berth-session' | 'berth-login' | 'berth-form';

/** Returns the value of a cookie; undefined when there is none. */
export function readCookie(ctx: RequestContext, name: CookieName): string | undefined {
  const wanted = `${fullName(ctx, name)}=`;
  for (const part of (ctx.req.headers.cookie ?? '').split(';')) {
    const pair = part.trim();
    if (pair.startsWith(wanted)) return pair.slice(wanted.length);
  }
  return undefined;
}

/**
 * Sets a cookie that no script reads, no other host and no plain connection gets or sets (`__Host-`, RFC 6265bis), and
 * that other sites send only with links. `value` consists of letters, digits, `-`, `_` and `.`.
 */
export function setCookie(ctx: RequestContext, name: CookieName, value: string, maxAge: number): void {
  const secure = isSecure(ctx) ? '; Secure' : '';
  const attributes = `Path=/; Max-Age=${maxAge}; HttpOnly; SameSite=Lax${secure}`;
  ctx.append('Set-Cookie', `${fullName(ctx, name)}=${value}; ${attributes}`);
}

export function clearCookie(ctx: RequestContext, name: CookieName): void {
  setCookie(ctx, name, '', 0);
}

function fullName(ctx: RequestContext, name: CookieName): string {
  return isSecure(ctx) ? `__Host-${name}` : name;
}

/** Reports whether the connection is secure. Otherwise this server is on this machine, which own-origin.ts ensures. */
function isSecure(ctx: RequestContext): boolean {
  return ctx.state.origin.protocol === 'https';
}
