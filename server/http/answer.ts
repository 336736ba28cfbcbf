import { Readable } from 'node:stream';
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

/** Listeners for the end of an answer: those of the middleware, and of the stream. */
const MOST_LISTENERS = 20;

/** Answers with texts as they come, among `headers` their Content-Type. The headers go at once: the first text may be long in coming. */
export function answerStream(ctx: Context, texts: AsyncIterable<string>, headers: AnswerHeaders): void {
  ctx.status = 200;
  setHeaders(ctx, headers);
  ctx.res.setMaxListeners(MOST_LISTENERS);
  ctx.body = Readable.from(texts);
  ctx.flushHeaders();
}

export function setHeaders(ctx: Context, headers: AnswerHeaders): void {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) ctx.set(name, value);
  }
}

/** Headers of every answer: browsers do not guess content types. */
export const COMMON_HEADERS = { 'X-Content-Type-Options': 'nosniff' } as const;

/** All warnings of an answer together have at most this many bytes (distribution-spec, "Warnings"). */
const MOST_BYTES = 4096;
const FRAME = '299 - ""'.length;

/**
 * The value of a Warning header (distribution-spec, "Warnings"): exactly `299 - "text"`. Characters that a
 * header cannot hold become `?`, and what is too long is cut.
 */
export function warning(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, "'");
  return `299 - "${plain.slice(0, MOST_BYTES - FRAME)}"`;
}
