import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { SettingInvalidError } from '../../auth/errors.ts';
import { SESSION_LIFE } from '../../auth/sessions/sessions.ts';
import { RegistryError } from '../errors.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';
import { readCookie, setCookie } from './cookies.ts';
import { isCrossSite } from './own-origin.ts';

const FORM = 'application/x-www-form-urlencoded';
const LARGEST_FORM = 16 * 1024;

/** Reads the form of a request. Throws SettingInvalidError. */
export async function readForm(ctx: RequestContext): Promise<URLSearchParams> {
  if (ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase() !== FORM) {
    throw new SettingInvalidError(`the Content-Type must be ${FORM}`);
  }
  const bytes = await ctx.state.bodies.read(ctx.req, ctx.res, LARGEST_FORM);
  if (bytes === undefined) throw new SettingInvalidError(`the form has more than ${LARGEST_FORM} bytes`);
  return new URLSearchParams(bytes.toString('utf8'));
}

/**
 * Returns the field that every form of a session contains, so that no page of another site can send one: it does not
 * know the session.
 */
export function sessionField(secret: string): Html {
  return html`<input type="hidden" name="csrf" value="${formToken(secret)}">`;
}

/**
 * Like sessionField, for a browser with or without a session. Without one, a secret in a separate cookie replaces it.
 */
export function formField(ctx: RequestContext): Html {
  return sessionField(ctx.state.session?.secret ?? visitorSecret(ctx));
}

/** Reads a form that a page of this server has shown to this session. Throws DENIED for any other. */
export async function readSessionForm(ctx: RequestContext, secret: string): Promise<URLSearchParams> {
  const form = await readForm(ctx);
  if (!isFormToken(form.get('csrf') ?? '', secret) || isCrossSite(ctx)) {
    throw new RegistryError(
      'DENIED',
      'this form was not sent from a page of your session: open the page again',
    );
  }
  return form;
}

/** Reads a form that `formField` has marked. Throws DENIED for any other. */
export function readMarkedForm(ctx: RequestContext): Promise<URLSearchParams> {
  return readSessionForm(ctx, ctx.state.session?.secret ?? readCookie(ctx, 'berth-form') ?? '');
}

function visitorSecret(ctx: RequestContext): string {
  const known = ctx.state.formSecret ?? readCookie(ctx, 'berth-form');
  if (known !== undefined && known.length >= 24) return known;
  const made = randomBytes(18).toString('base64url');
  ctx.state.formSecret = made;
  setCookie(ctx, 'berth-form', made, SESSION_LIFE / 1000);
  return made;
}

/**
 * Returns a token that differs each time: pages are compressed, and a constant text could be guessed by their sizes.
 */
function formToken(secret: string): string {
  const nonce = randomBytes(16).toString('base64url');
  return `${nonce}.${macOf(nonce, secret)}`;
}

function isFormToken(token: string, secret: string): boolean {
  const [nonce = '', mac = ''] = token.split('.');
  const given = Buffer.from(mac);
  const expected = Buffer.from(macOf(nonce, secret));
  return secret !== '' && given.length === expected.length && timingSafeEqual(given, expected);
}

function macOf(nonce: string, secret: string): string {
  return createHmac('sha256', `csrf of ${secret}`).update(nonce).digest('base64url');
}
