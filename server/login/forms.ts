import { timingSafeEqual } from 'node:crypto';
import { hashSecret } from '../../auth/credentials/secret.ts';
import { SettingInvalidError } from '../../auth/errors.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { type Html, html } from './html.ts';
import { isCrossSite } from './own-origin.ts';

const FORM = 'application/x-www-form-urlencoded';
const LARGEST_FORM = 16 * 1024;

/** The form that a request sends. Throws SettingInvalidError. */
export async function readForm(ctx: RequestContext): Promise<URLSearchParams> {
  if (ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase() !== FORM) {
    throw new SettingInvalidError(`the Content-Type must be ${FORM}`);
  }
  const bytes = await ctx.state.bodies.read(ctx.req, ctx.res, LARGEST_FORM);
  if (bytes === undefined) throw new SettingInvalidError(`the form has more than ${LARGEST_FORM} bytes`);
  return new URLSearchParams(bytes.toString('utf8'));
}

/** What a form of a session holds, so that no page of another site can send one: it does not know the session. */
export function sessionField(secret: string): Html {
  return html`<input type="hidden" name="csrf" value="${csrfToken(secret)}">`;
}

/** Reads a form that a page of this server has shown to this session. Throws DENIED for any other. */
export async function readSessionForm(ctx: RequestContext, secret: string): Promise<URLSearchParams> {
  const form = await readForm(ctx);
  const given = Buffer.from(form.get('csrf') ?? '');
  const expected = Buffer.from(csrfToken(secret));
  const matches = given.length === expected.length && timingSafeEqual(given, expected);
  if (!matches || isCrossSite(ctx)) {
    throw new RegistryError(
      'DENIED',
      'this form was not sent from a page of your session: open the page again',
    );
  }
  return form;
}

function csrfToken(secret: string): string {
  return hashSecret(`csrf of ${secret}`);
}
