import { nameOf } from '../../auth/access/access.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty } from '../http/answer.ts';
import { readMarkedForm } from '../login/forms.ts';
import { queryOf } from '../registry/parameters.ts';
import type { BrowserSession, RequestContext } from '../request-context.ts';

/** Returns the logged-in user. Throws a redirect to the login for other visitors. */
export function requireLogin(ctx: RequestContext): BrowserSession {
  const { session } = ctx.state;
  if (session !== undefined) return session;
  throw new LoginNeeded();
}

/** The visitor must log in before the page is shown. */
export class LoginNeeded extends Error {
  constructor() {
    super('log in first');
    this.name = 'LoginNeeded';
  }
}

/** Sends a browser to a page of this server, by GET. */
export function goTo(ctx: RequestContext, path: string): void {
  answerEmpty(ctx, 303, { 'Cache-Control': 'no-store', Location: path });
}

/** Returns a path below the prefix of this server. */
export function pathOf(
  ctx: RequestContext,
  path: string,
  query: Readonly<Record<string, string | undefined>> = {},
) {
  const given = Object.entries(query).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== '',
  );
  const search = new URLSearchParams(given).toString();
  return `${ctx.state.pathPrefix}${path}${search === '' ? '' : `?${search}`}`;
}

/** Returns a parameter of the address, trimmed; '' if it is absent. Throws SETTING_INVALID. */
export function asked(ctx: RequestContext, name: string): string {
  const text = (queryOf(ctx, name) ?? '').trim();
  if (text.includes('\0')) {
    throw new RegistryError('SETTING_INVALID', `the parameter "${name}" of this address has a NUL character`);
  }
  if (text.length <= 2000) return text;
  throw new RegistryError('SETTING_INVALID', `the parameter "${name}" of this address is too long`);
}

/** Reads the fields of a form that a page of this server has shown; each is trimmed. Throws DENIED for any other. */
export async function readFields(ctx: RequestContext): Promise<(name: string) => string> {
  const form = await readMarkedForm(ctx);
  return (name) => (form.get(name) ?? '').trim();
}

/** Returns the name of the visitor, for commands to copy. */
export function visitorName(ctx: RequestContext): string | undefined {
  return nameOf(ctx.state.identity);
}
