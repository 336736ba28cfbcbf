import { createPrivateKey, sign } from 'node:crypto';
import { challengeText } from '../../fleet/join-token.ts';
import { type HostMessage, TARGET_LIMIT } from '../../fleet/messages.ts';
import type { HostTarget } from '../../fleet/target.ts';
import { requestIdHint } from '../../lib/http/request-id.ts';
import { isJsonObject } from '../../lib/json/json-fields.ts';
import type { HttpExchange, HttpResponse } from '../../oci/distribution/http-exchange.ts';
import { readBody } from '../../oci/distribution/read-body.ts';
import type { Membership } from './membership.ts';

const API = '/api/v1/fleet';
/** Maximum bytes of an answer other than a target. */
const SHORT = 1024 * 1024;
/** Milliseconds before expiry at which a token is no longer used. */
const MARGIN = 60_000;
const PATIENCE = 30_000;

/** The registry answered with an error; the message is its own. */
export class RegistryAnswerError extends Error {
  override readonly name = 'RegistryAnswerError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The registry's answer about the target: `unchanged` since the requested generation. */
export type TargetAnswer = HostTarget | 'unchanged';

/** Requests of this host to its registry, with a token that it obtains by proof of its key. */
export class RegistryApi {
  readonly #membership: Membership;
  readonly #exchange: HttpExchange;
  #token: { readonly text: string; readonly until: number; uses: number } | undefined;

  constructor(membership: Membership, exchange: HttpExchange) {
    this.#membership = membership;
    this.#exchange = exchange;
  }

  /**
   * Returns a token that is valid for at least a minute. The registry makes the challenge, and the age of the token is
   * measured here, so the clock of this host does not matter. Throws RegistryAnswerError: 401 or 404 for a host that
   * was removed.
   */
  async token(signal: AbortSignal): Promise<string> {
    if (this.#token !== undefined && performance.now() < this.#token.until) {
      this.#token.uses += 1;
      return this.#token.text;
    }
    const { id, key } = this.#membership;
    const asked = await this.#post('/challenge', { host: id }, signal);
    const challenge = textField(asked, 'challenge');
    const privateKey = createPrivateKey({ key, format: 'jwk' });
    const signature = sign(null, Buffer.from(challengeText(challenge)), privateKey).toString('base64url');
    const began = performance.now();
    const answer = await this.#post('/token', { challenge, signature }, signal);
    const text = textField(answer, 'token');
    const life = Number(isJsonObject(answer) ? answer.expiresIn : 0) * 1000;
    this.#token = { text, until: began + Math.max(0, life - MARGIN), uses: 1 };
    return text;
  }

  /**
   * Makes the next request get another token. Returns whether the current token was used more than once: a registry
   * whose clock or keys have changed refuses the token, though not the host.
   */
  forgetToken(): boolean {
    const wasUsed = this.#token !== undefined && this.#token.uses > 1;
    this.#token = undefined;
    return wasUsed;
  }

  async target(generation: number, signal: AbortSignal): Promise<TargetAnswer> {
    const headers = { ...(await this.#login(signal)), 'if-none-match': `"${generation}"` };
    const response = await this.#send('GET', '/target', headers, undefined, signal);
    if (response.status === 304) {
      response.body.destroy();
      return 'unchanged';
    }
    return (await readAnswer(response, TARGET_LIMIT, signal)) as HostTarget;
  }

  async report(message: HostMessage & { readonly type: 'report' }, signal: AbortSignal): Promise<void> {
    const { reports, gone } = message;
    const headers = { ...(await this.#login(signal)), 'content-type': 'application/json' };
    const response = await this.#send('POST', '/reports', headers, JSON.stringify({ reports, gone }), signal);
    await readAnswer(response, SHORT, signal);
  }

  async #login(signal: AbortSignal) {
    return { authorization: `Bearer ${await this.token(signal)}` };
  }

  async #post(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const headers = { 'content-type': 'application/json' };
    const response = await this.#send('POST', path, headers, JSON.stringify(body), signal);
    return readAnswer(response, SHORT, signal);
  }

  #send(
    method: 'GET' | 'POST',
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const { url, insecure } = this.#membership;
    return this.#exchange.send({
      method,
      url: new URL(`${API}${path}`, url),
      headers: { accept: 'application/json', ...headers },
      ...(body !== undefined && { body }),
      verifyCertificate: !insecure,
      signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]),
    });
  }
}

/** Returns the JSON of an answer; undefined without a body. Throws RegistryAnswerError with the registry's message. */
export async function readAnswer(
  response: HttpResponse,
  limit: number,
  signal: AbortSignal,
): Promise<unknown> {
  const body = await readBody(response, limit, signal);
  if (body === undefined)
    throw new RegistryAnswerError(response.status, 'the answer of the registry is too long');
  const { status } = response;
  let value: unknown;
  try {
    value = body.length === 0 ? undefined : JSON.parse(body.toString('utf8'));
  } catch {
    value = undefined;
  }
  if (status >= 200 && status < 300) return value;
  const message = messageOf(value) ?? `the registry answered ${status}`;
  throw new RegistryAnswerError(status, `${message}${requestIdHint(status, response.headers)}`);
}

/** Returns the message of an error, in the management API's form or in that of the distribution API. */
function messageOf(value: unknown): string | undefined {
  if (!isJsonObject(value)) return undefined;
  const [first] = Array.isArray(value.errors) ? value.errors : [value.error ?? value];
  const message: unknown = isJsonObject(first) ? first.message : first;
  return typeof message === 'string' ? message.slice(0, 1000) : undefined;
}

function textField(value: unknown, name: string): string {
  const text: unknown = isJsonObject(value) ? value[name] : undefined;
  if (typeof text === 'string') return text;
  throw new RegistryAnswerError(
    200,
    `the answer of the registry has no ${name}: is it a Berth registry with a fleet?`,
  );
}
