import type { Middleware } from 'koa';
import type { Logger } from 'pino';
import { LoginRefusedError } from '../../auth/errors.ts';
import { refusalOf } from '../audit/refusal-of.ts';
import type { Refusal } from '../audit/refusals.ts';
import { errorAnswer } from '../errors.ts';
import { answerBytes } from '../http/answer.ts';
import type { RequestContext, RequestState } from '../request-context.ts';
import { shortPath } from '../shorten.ts';
import { type Html, html, PAGE_HEADERS, wholePage } from './html.ts';

export function answerPage(ctx: RequestContext, status: number, title: string, body: Html): void {
  answerBytes(ctx, status, Buffer.from(wholePage(title, body)), PAGE_HEADERS);
}

/** Turns whatever goes wrong below into a page that says so in a sentence; what the server is at fault for is logged. */
export function answerErrorsAsPages(
  log: Logger,
  note: (refusal: Refusal) => void = () => {},
): Middleware<RequestState> {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (ctx.state.signal.aborted) throw error;
      const { status, body, headers } = errorAnswer(error);
      if (status >= 500)
        log.error({ err: error, method: ctx.method, path: shortPath(ctx.path) }, 'a request failed');
      const [{ message }] = body.errors;
      const refusal = status === 401 || status === 403 ? refusalOf(ctx, status, message) : undefined;
      if (refusal !== undefined) note(refusal);
      const sentence = error instanceof LoginRefusedError ? error.message : message;
      const stays = status === 503 ? html`<p>Tokens and sessions that there are go on counting.</p>` : html``;
      answerPage(
        ctx as RequestContext,
        status,
        'This did not work',
        html`<h1>This did not work</h1><p id="error">${sentence}</p>${stays}<p><a href="${ctx.state.pathPrefix}/auth/">Back</a></p>`,
      );
      for (const [name, value] of Object.entries(headers)) ctx.set(name, value);
    }
  };
}
