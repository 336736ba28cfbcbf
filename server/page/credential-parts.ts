import { showPage } from '../login/answer-page.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { choice, command, field, pageHead } from './parts.ts';

/** A token or robot as the API shows it. */
export interface ShownCredential {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly scopes: readonly string[] | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

const DAY = 86_400_000;

/** Returns the field for the rights of a new credential. */
export function scopesField(id: string, isOptional: boolean): Html {
  return field(id, {
    label: 'Scopes',
    name: 'scopes',
    isOptional,
    help: html`Such as <code>team/*:pull,push</code>, with spaces between several.${isOptional && ' Without one: all your rights.'}`,
  });
}

export function lifeField(id: string): Html {
  return choice(id, {
    label: 'Ends',
    name: 'days',
    value: '90',
    values: [
      ['7', 'in 7 days'],
      ['30', 'in 30 days'],
      ['90', 'in 90 days'],
      ['365', 'in a year'],
      ['never', 'never'],
    ],
  });
}

/** Returns the terms in these fields, in the API's form. */
export function termsOf(read: (name: string) => string): {
  readonly scopes?: readonly string[];
  readonly expiresAt: string | null;
} {
  const scopes = read('scopes')
    .split(/\s+/)
    .filter((scope) => scope !== '');
  return { ...(scopes.length > 0 && { scopes }), expiresAt: endOf(read('days')) };
}

function endOf(days: string): string | null {
  if (days === 'never') return null;
  const count = /^\d{1,4}$/.test(days) ? Number(days) : 90;
  return new Date(Date.now() + count * DAY).toISOString();
}

/** A secret that is shown once, and the page that follows. */
export interface MadeSecret {
  readonly title: string;
  readonly secret: string;
  /** A command that asks for the secret. */
  readonly command?: string;
}

/** Returns the command that asks for the password of an account. */
export function dockerLogin(ctx: RequestContext, user: string): string {
  return `docker login --username ${user} ${ctx.state.origin.host}`;
}

/** Shows a secret, which is stored nowhere, this once. */
export function showSecret(
  ctx: RequestContext,
  { back, command: asking, secret, title }: MadeSecret & { readonly back: string },
): void {
  const login =
    asking !== undefined && html`<p>Run this, and paste the secret when asked:</p>${command(asking)}`;
  showPage(ctx, {
    status: 201,
    title,
    main: html`${pageHead(title)}<section class="sheet"><p>It is shown this once: keep it now.</p>
<div id="secret">${command(secret)}</div>${login}</section><p><a class="button" href="${back}">Done</a></p>`,
  });
}
