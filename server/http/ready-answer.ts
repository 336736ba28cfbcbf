import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'koa';
import { type AnswerHeaders, answerBytes, answerEmpty, setHeaders } from './answer.ts';
import { matchesEntityTag } from './conditional.ts';

/** A 200 answer to GET and HEAD that is complete before a byte of it is sent, such as a manifest. */
export interface ReadyAnswer {
  /** Without Content-Length. With an ETag, `If-None-Match` is answered by 304. */
  readonly headers: AnswerHeaders;
  /** Bytes of the body. */
  readonly length: number;
  /** Undefined where only HEAD is answered. */
  readonly body: Buffer | undefined;
}

/** The answer with JSON as its body; `headers` may give another media type. */
export function readyJson(value: unknown, headers: AnswerHeaders = {}): ReadyAnswer {
  const body = Buffer.from(JSON.stringify(value));
  return { headers: { 'Content-Type': 'application/json', ...headers }, length: body.length, body };
}

/** Answers GET or HEAD by koa (RFC 9110, sections 9.3.2 and 13.1.2). */
export function answerReady(ctx: Context, { headers, length, body }: ReadyAnswer): void {
  if (isUnchanged(ctx.req, headers.ETag)) answerEmpty(ctx, 304, headers);
  else if (body !== undefined) answerBytes(ctx, 200, body, headers);
  else {
    ctx.status = 200;
    setHeaders(ctx, { ...headers, 'Content-Length': String(length) });
  }
}

/** A ready answer in the form that costs least to send, often. */
export interface PreparedAnswer {
  readonly etag: string | undefined;
  /** Names and values in turn, as Node takes them. */
  readonly headers: readonly string[];
  readonly headersUnchanged: readonly string[];
  /** A character for each byte: what Node sends in one piece with the head, unlike a buffer. */
  readonly body: string | undefined;
  /** Bytes of body and headers. */
  readonly size: number;
}

/** `common` are the headers that every answer of the server has. */
export function prepareAnswer(answer: ReadyAnswer, common: AnswerHeaders): PreparedAnswer {
  const headersUnchanged = Object.entries({ ...common, ...answer.headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [name, value],
  );
  const headers = [...headersUnchanged, 'Content-Length', String(answer.length)];
  const body = answer.body?.toString('latin1');
  const size = headers.reduce((sum, text) => sum + text.length, body?.length ?? 0);
  return { etag: answer.headers.ETag, headers, headersUnchanged, body, size };
}

/** Whether `prepared` has all that the request asks for. */
export function canAnswer(prepared: PreparedAnswer, { method }: IncomingMessage): boolean {
  return method === 'HEAD' || (method === 'GET' && prepared.body !== undefined);
}

/** Answers as answerReady does, without koa; only what canAnswer said yes to. */
export function sendPrepared(prepared: PreparedAnswer, req: IncomingMessage, res: ServerResponse): void {
  if (isUnchanged(req, prepared.etag)) {
    res.writeHead(304, prepared.headersUnchanged as string[]).end();
    return;
  }
  res.writeHead(200, prepared.headers as string[]);
  if (req.method === 'HEAD') res.end();
  else res.end(prepared.body, 'latin1');
}

function isUnchanged(req: IncomingMessage, etag: string | undefined): boolean {
  const condition = req.headers['if-none-match'];
  return condition !== undefined && etag !== undefined && matchesEntityTag(condition, etag.slice(1, -1));
}
