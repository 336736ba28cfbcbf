import type { Middleware } from 'koa';
import {
  DEVICE_LOGIN_LIFE,
  type DeviceLogins,
  formatUserCode,
  POLL_INTERVAL,
} from '../../auth/sessions/device-logins.ts';
import type { Sessions } from '../../auth/sessions/sessions.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { html } from '../markup/html.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import { answerPage } from './answer-page.ts';
import { readForm, readSessionForm, sessionField } from './forms.ts';
import { isCrossSite, ownOrigin } from './own-origin.ts';
import { requireSession, sessionOf } from './session-of.ts';

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code';
/** RFC 6749, section 5.1. */
const NOT_STORED = { 'Cache-Control': 'no-store' };
const REFUSALS = {
  pending: 'authorization_pending',
  'slow-down': 'slow_down',
  denied: 'access_denied',
  expired: 'expired_token',
} as const;

/**
 * Requests of terminals: `POST /auth/device` and `POST /auth/device/token` (RFC 8628, sections 3.1 and 3.4). The result
 * is not a bearer token but a personal token, with the `username` whose password it is.
 */
export function addDeviceRoutes(router: RequestRouter, devices: DeviceLogins): void {
  router.post('/device', async (ctx) => {
    const page = `${ownOrigin(ctx)}${ctx.state.pathPrefix}/auth/device`;
    // Pages of other sites could use up the rate limit of their visitors' networks.
    if (isCrossSite(ctx))
      throw new RegistryError('DENIED', 'a page of another site cannot log in a terminal');
    const client = labelOf((await readForm(ctx)).get('client_name'));
    const { deviceCode, userCode } = await devices.begin(client, ctx.state.origin.remote);
    const body = {
      device_code: deviceCode,
      user_code: userCode,
      verification_uri: page,
      verification_uri_complete: `${page}?user_code=${userCode}`,
      expires_in: DEVICE_LOGIN_LIFE / 1000,
      interval: POLL_INTERVAL,
    };
    answerJson(ctx, 200, body, NOT_STORED);
  });

  router.post('/device/token', async (ctx) => {
    ownOrigin(ctx);
    const form = await readForm(ctx);
    if (form.get('grant_type') !== GRANT_TYPE) {
      answerJson(
        ctx,
        400,
        { error: 'unsupported_grant_type', error_description: `use ${GRANT_TYPE}` },
        NOT_STORED,
      );
      return;
    }
    const answer = await devices.poll(form.get('device_code') ?? '');
    if (answer.kind !== 'token') {
      answerJson(ctx, 400, { error: REFUSALS[answer.kind] }, NOT_STORED);
      return;
    }
    const body = { access_token: answer.secret, token_type: 'Basic', username: answer.user };
    answerJson(ctx, 200, body, NOT_STORED);
  });
}

/** Pages where a person confirms the login of a terminal. */
export function addDevicePages(
  router: RequestRouter,
  { devices, sessions }: { readonly devices: DeviceLogins; readonly sessions: Sessions },
  pages: Middleware<RequestState>,
): void {
  router.get('/device', pages, async (ctx) => {
    const origin = ownOrigin(ctx);
    const { pathPrefix } = ctx.state;
    const code = queryOf(ctx, 'user_code');
    const session = await sessionOf(ctx, sessions);
    if (session === undefined) {
      const here = `${pathPrefix}/auth/device${code === undefined ? '' : `?user_code=${encodeURIComponent(code)}`}`;
      const query = new URLSearchParams({ return: here });
      answerEmpty(ctx, 303, { ...NOT_STORED, Location: `${origin}${pathPrefix}/auth/?${query}` });
      return;
    }
    if (code === undefined) {
      showCodeForm(ctx);
      return;
    }
    const { client } = await devices.find(code, session.name);
    // Only the letters in the link are used.
    const shown = formatUserCode(code);
    answerPage(
      ctx,
      200,
      'A terminal asks',
      html`<h1>A terminal asks to log in as ${session.name}</h1>
<p>It calls itself <strong id="client">${client}</strong> and must show the code <strong id="user-code">${shown}</strong>.
Say yes only if you have run <code>berth login</code> there just now, and the code is the same: it gets a token that
may do what you may.</p>
<form id="confirm" method="post" action="${pathPrefix}/auth/device/answer" class="actions">${sessionField(session.secret)}
<input type="hidden" name="user_code" value="${shown}">
<button class="main" name="says" value="yes">Yes, log it in</button> <button name="says" value="no">No</button></form>`,
    );
  });

  router.post('/device/answer', pages, async (ctx) => {
    ownOrigin(ctx);
    const session = await requireSession(ctx, sessions);
    const form = await readSessionForm(ctx, session.secret);
    const says = form.get('says') === 'yes' ? 'yes' : 'no';
    await devices.answer(form.get('user_code') ?? '', session.name, says);
    const sentence =
      says === 'yes' ? 'The terminal is logged in: continue there.' : 'The terminal was not logged in.';
    answerPage(ctx, 200, 'Done', html`<h1>Done</h1><p id="done">${sentence}</p>`);
  });
}

function showCodeForm(ctx: RequestContext): void {
  answerPage(
    ctx,
    200,
    'Connect a terminal',
    html`<h1>Connect a terminal</h1>
<form id="code" method="get" action="${ctx.state.pathPrefix}/auth/device" class="sheet">
<div class="field"><label for="user_code">Code that the terminal shows</label><input id="user_code" name="user_code" autocomplete="off" required></div>
<button class="main">Continue</button></form>`,
  );
}

/** Returns the label for the page and the list of tokens. */
function labelOf(text: string | null): string {
  const label = (text ?? '')
    .replace(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, 80);
  return label === '' ? 'berth login' : label;
}
