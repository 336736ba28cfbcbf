import type { IncomingMessage, RequestOptions } from 'node:http';
import { http, https } from '../../../lib/http/node-http.ts';
import { requestIdHint } from '../../../lib/http/request-id.ts';
import { isJsonObject } from '../../../lib/json/json-fields.ts';
import { readAtMost } from '../../../lib/streams/read-at-most.ts';
import { printable } from '../printable.ts';
import { ApiError, type Problem } from './api-error.ts';

/** Maximum bytes of an answer. */
const LARGEST_ANSWER = 64 * 1024 * 1024;
/** Maximum characters of a registry's message that are shown. */
const LONGEST_MESSAGE = 2_000;
/** Timeout of a request, milliseconds. */
const TIMEOUT = 60_000;

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface CallOptions {
  readonly body?: object;
  readonly signal?: AbortSignal;
  /** Seconds that the registry may wait before it answers. */
  readonly wait?: number;
  /** Required fields of the answer: a registry of another version may lack them. */
  readonly fields?: readonly string[];
}

/** The management API of a registry, as commands use it. Every method throws ApiError. */
export class RegistryApi {
  /** Its path ends in a slash. */
  readonly url: URL;
  readonly #authorization: string | undefined;

  constructor(url: URL, authorization: string | undefined) {
    this.url = url;
    this.#authorization = authorization;
  }

  /** Headers of every request. */
  get headers(): Readonly<Record<string, string>> {
    return {
      'user-agent': 'berth',
      ...(this.#authorization !== undefined && { authorization: this.#authorization }),
    };
  }

  /** Returns the URL of a path of the API, such as `apps/team%2Fshop`. */
  at(path: string): URL {
    return new URL(`api/v1/${path}`, this.url);
  }

  /** Returns the answer, as JSON; undefined when it has no body. */
  async call<Answer>(method: Method, path: string, options: CallOptions = {}): Promise<Answer> {
    const { body, fields, signal, wait = 0 } = options;
    const limit = AbortSignal.timeout(TIMEOUT + wait * 1000);
    const all = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    try {
      const answer = await this.#send(method, path, body, all);
      const text = await this.#read(answer);
      if (text === '') return undefined as Answer;
      const value: unknown = JSON.parse(text);
      if (fields !== undefined) this.requireFields(value, fields);
      return value as Answer;
    } catch (cause) {
      if (signal?.aborted || cause instanceof ApiError) throw cause;
      throw this.#unreachable(cause, { isLate: limit.aborted, isChange: method !== 'GET' });
    }
  }

  /** Throws ApiError unless a part of an answer is an object with these fields. */
  requireFields(value: unknown, fields: readonly string[]): void {
    const missing = isJsonObject(value)
      ? fields.find((name) => value[name] === undefined || value[name] === null)
      : 'a JSON object';
    if (missing !== undefined) throw otherVersion(this.url, `its answer lacks ${missing}`);
  }

  /** Yields the lines of an answer as they arrive; `began` is called when it begins. */
  async *lines(
    path: string,
    signal: AbortSignal,
    began: () => void = () => {},
  ): AsyncGenerator<string, void, undefined> {
    try {
      const answer = await this.#send('GET', path, undefined, signal);
      began();
      let rest = '';
      answer.setEncoding('utf8');
      for await (const chunk of answer as AsyncIterable<string>) {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > LARGEST_ANSWER) throw new Error('a line of the answer is too long');
        yield* lines;
      }
      if (rest !== '') yield rest;
    } catch (cause) {
      if (signal.aborted || cause instanceof ApiError) throw cause;
      throw this.#unreachable(cause, { isLate: false, isChange: false });
    }
  }

  /** Returns the message of a refusal. */
  async refusal(answer: IncomingMessage): Promise<ApiError> {
    const status = answer.statusCode ?? 0;
    const bytes = (await readAtMost(answer, 1024 * 1024)) ?? Buffer.alloc(0);
    const { code, message, problems } = readErrors(bytes.toString('utf8'));
    if (status === 401) {
      const said = message === undefined ? '' : `: ${message}`;
      return new ApiError(status, `${this.url.host} does not know you${said}; ${this.#loginAdvice()}`);
    }
    if (status === 404 && (code === undefined || code === 'UNSUPPORTED')) {
      return new ApiError(
        status,
        `${this.url.host} does not support this command: it is older, has no accounts, or is not a Berth registry`,
      );
    }
    const said = message ?? `${this.url.host} answers with status ${status}`;
    return new ApiError(status, `${said}${requestIdHint(status, answer.headers)}`, problems);
  }

  #loginAdvice(): string {
    const what = this.#authorization === undefined ? 'log in' : 'log in again';
    return `${what} with "berth login ${this.url.origin}", or set BERTH_TOKEN`;
  }

  async #send(
    method: Method,
    path: string,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      method,
      signal,
      headers: {
        ...this.headers,
        accept: 'application/json',
        ...(payload !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(payload),
        }),
      },
    };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const { request } = this.url.protocol === 'https:' ? https() : http;
      const sent = request(this.at(path), options, resolve);
      sent.once('error', reject);
      sent.end(payload);
    });
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw await this.refusal(answer);
  }

  async #read(answer: IncomingMessage): Promise<string> {
    const bytes = await readAtMost(answer, LARGEST_ANSWER);
    if (bytes !== undefined) return bytes.toString('utf8');
    throw new ApiError(0, `${this.url.host} answers with more than ${LARGEST_ANSWER} bytes`);
  }

  #unreachable(
    cause: unknown,
    { isChange, isLate }: { readonly isLate: boolean; readonly isChange: boolean },
  ): ApiError {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    if (isLate || !/^(?:ECONNRESET|EPIPE)$/.test(code)) {
      return unreachable(this.url, isLate ? new Error('it does not answer') : cause);
    }
    const advice = isChange ? ': the request may have taken effect, so check before you repeat it' : '';
    const cut = `the connection to ${this.url.host} was cut (${message})${advice}`;
    return new ApiError(0, cut, [], { cause });
  }
}

/** Returns the message about a registry that answers differently from this version of Berth. */
export function otherVersion(url: URL, reason: string, cause?: unknown): ApiError {
  const sentence = `${url.host} runs another version of Berth than this command, or none (${reason}): use a command of its version`;
  return new ApiError(0, sentence, [], { cause });
}

/** Returns the message about a registry that cannot be reached. */
export function unreachable(url: URL, cause: unknown): ApiError {
  if (cause instanceof SyntaxError) {
    return new ApiError(0, `${url.host} does not answer as a Berth registry does`, [], { cause });
  }
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const isUntrusted = /CERT|SELF_SIGNED|ISSUER|UNABLE_TO/.test(code);
  const advice = isUntrusted
    ? `: if a private authority issued its certificate, give that with --ca FILE or BERTH_CA`
    : '';
  return new ApiError(0, `${url.host} cannot be reached: ${message}${advice}`, [], { cause });
}

interface ReadErrors {
  readonly code?: string;
  readonly message?: string;
  readonly problems: readonly Problem[];
}

function readErrors(text: string): ReadErrors {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problems: [] };
  }
  const [first] = isJsonObject(value) && Array.isArray(value.errors) ? value.errors : [];
  if (!isJsonObject(first)) return { problems: [] };
  const problems = problemsOf(first.detail).flatMap((item): readonly Problem[] => {
    if (!isJsonObject(item) || !Array.isArray(item.path) || typeof item.message !== 'string') return [];
    const path = item.path.filter((part) => typeof part === 'string' || typeof part === 'number');
    return [{ path, message: printable(item.message.slice(0, LONGEST_MESSAGE)) }];
  });
  const message = typeof first.message === 'string' ? first.message.slice(0, LONGEST_MESSAGE) : undefined;
  return {
    problems,
    ...(typeof first.code === 'string' && { code: first.code }),
    ...(message !== undefined && { message: printable(message) }),
  };
}

function problemsOf(detail: unknown): readonly unknown[] {
  return isJsonObject(detail) && Array.isArray(detail.problems) ? detail.problems : [];
}
