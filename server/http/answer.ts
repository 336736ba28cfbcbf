import type { Context } from 'koa';

/** Headers of an answer; those that are undefined are not sent. */
export type AnswerHeaders = Readonly<Record<string, string | undefined>>;

/** Answers without a body. Sends `Content-Length: 0` except where the status forbids one. */
export function answerEmpty(ctx: Context, status: number, headers: AnswerHeaders = {}): void {
  ctx.body = null;
  ctx.status = status;
  setHeaders(ctx, headers);
}

/** Answers with JSON. The media type has no charset parameter: several clients compare it as a whole. */
export function answerJson(ctx: Context, status: number, value: unknown, headers: AnswerHeaders = {}): void {
  answerBytes(ctx, status, Buffer.from(JSON.stringify(value)), {
    'Content-Type': 'application/json',
    ...headers,
  });
}

/** Answers with bytes whose Content-Type is among `headers`. */
export function answerBytes(ctx: Context, status: number, bytes: Buffer, headers: AnswerHeaders): void {
  ctx.status = status;
  setHeaders(ctx, headers);
  ctx.body = bytes;
}

export function setHeaders(ctx: Context, headers: AnswerHeaders): void {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) ctx.set(name, value);
  }
}
