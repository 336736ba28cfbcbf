import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Context } from 'koa';
import { REQUEST_ID_HEADER } from '../../lib/http/request-id.ts';
import { matchesEntityTag } from './conditional.ts';

/** Headers of an answer; undefined ones are omitted. */
export type AnswerHeaders = Readonly<Record<string, string | undefined>>;

/** Answers without a body. Sends `Content-Length: 0` unless the status forbids one. */
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

/** Maximum listeners for the end of an answer: those of the middleware, and of the stream. */
const MOST_LISTENERS = 20;

/**
 * Answers with texts as they arrive; `headers` include their Content-Type. The headers are sent at once, because the
 * first text may take long.
 */
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

/** Maximum bytes of all warnings of an answer (distribution-spec, "Warnings"). */
const MOST_BYTES = 4096;
const FRAME = '299 - ""'.length;

/**
 * Returns the value of a Warning header (distribution-spec, "Warnings"): exactly `299 - "text"`. Invalid characters
 * become `?`, and long texts are cut.
 */
export function warning(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, "'");
  return `299 - "${plain.slice(0, MOST_BYTES - FRAME)}"`;
}

/** A 200 answer to GET and HEAD that is complete before its first byte is sent, such as a manifest. */
export interface ReadyAnswer {
  /** Excludes Content-Length. With an ETag, `If-None-Match` is answered by 304. */
  readonly headers: AnswerHeaders;
  /** Bytes of the body. */
  readonly length: number;
  /** Undefined if only HEAD is answered. */
  readonly body: Buffer | undefined;
}

/** Makes an answer with a JSON body; `headers` may change the media type. */
export function readyJson(value: unknown, headers: AnswerHeaders = {}): ReadyAnswer {
  const body = Buffer.from(JSON.stringify(value));
  return { headers: { 'Content-Type': 'application/json', ...headers }, length: body.length, body };
}

/** Answers GET or HEAD through koa (RFC 9110, sections 9.3.2 and 13.1.2). */
export function answerReady(ctx: Context, { headers, length, body }: ReadyAnswer): void {
  if (isUnchanged(ctx.req, headers.ETag)) answerEmpty(ctx, 304, headers);
  else if (body !== undefined) answerBytes(ctx, 200, body, headers);
  else {
    ctx.status = 200;
    setHeaders(ctx, { ...headers, 'Content-Length': String(length) });
  }
}

/** A ready answer in the form that is cheapest to send repeatedly. */
export interface PreparedAnswer {
  readonly etag: string | undefined;
  /** Alternating names and values, Node's raw form. The last value is the ID of the request that is answered. */
  readonly headers: string[];
  readonly headersUnchanged: string[];
  /** One character per byte: Node sends a string in one piece with the head, unlike a buffer. */
  readonly body: string | undefined;
  /** Bytes of body and headers. */
  readonly size: number;
}

/** `common` are the headers of every answer of the server. */
export function prepareAnswer(answer: ReadyAnswer, common: AnswerHeaders): PreparedAnswer {
  const described = Object.entries({ ...common, ...answer.headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [name, value],
  );
  const headersUnchanged = [...described, REQUEST_ID_HEADER, ''];
  const headers = [...described, 'Content-Length', String(answer.length), REQUEST_ID_HEADER, ''];
  const body = answer.body?.toString('latin1');
  const size = headers.reduce((sum, text) => sum + text.length, body?.length ?? 0);
  return { etag: answer.headers.ETag, headers, headersUnchanged, body, size };
}

/** Reports whether `prepared` satisfies the request. */
export function canAnswer(prepared: PreparedAnswer, { method }: IncomingMessage): boolean {
  return method === 'HEAD' || (method === 'GET' && prepared.body !== undefined);
}

/** Answers like answerReady, without koa; only if canAnswer is true. `id` is that of the request. */
export function sendPrepared(
  prepared: PreparedAnswer,
  req: IncomingMessage,
  res: ServerResponse,
  id: string,
): void {
  if (isUnchanged(req, prepared.etag)) {
    res.writeHead(304, withId(prepared.headersUnchanged, id)).end();
    return;
  }
  res.writeHead(200, withId(prepared.headers, id));
  if (req.method === 'HEAD') res.end();
  else res.end(prepared.body, 'latin1');
}

/** Replaces the last value: Node has read the headers when writeHead returns, so a copy for each request is not needed. */
function withId(headers: string[], id: string): string[] {
  headers[headers.length - 1] = id;
  return headers;
}

function isUnchanged(req: IncomingMessage, etag: string | undefined): boolean {
  const condition = req.headers['if-none-match'];
  return condition !== undefined && etag !== undefined && matchesEntityTag(condition, etag.slice(1, -1));
}
