import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { calculateJwkThumbprint, FlattenedSign, type JWK } from 'jose';
import { readAtMost } from '../../../../lib/streams/read-at-most.ts';
import type { HttpExchange } from '../../../../oci/distribution/http-exchange.ts';
import { signingRequest } from './signing-request.ts';

/** Maximum bytes of an answer. */
const MAX_ANSWER = 256 * 1024;
/** Maximum repetitions of a request because of a rejected nonce (RFC 8555, section 6.5). */
const MAX_NONCES = 5;
/** Maximum polls of an authorization or order, and milliseconds between them. */
const MAX_LOOKS = 40;
const LOOK_PAUSE = 2_000;
const FIRST_PAUSE = 250;
/** Polls of a failed challenge that the authority may still retry. */
const PATIENT_LOOKS = 6;
const TOKEN = /^[A-Za-z0-9_-]{1,256}$/;

/** The authority refuses, or violates RFC 8555. */
export class AcmeError extends Error {
  override readonly name = 'AcmeError';
}

export interface AcmeClientOptions {
  /** URL of the directory of the authority, whose terms the operator agrees to. */
  readonly directory: string;
  /** A private key of P-256. */
  readonly accountKey: KeyObject;
  readonly exchange: HttpExchange;
}

/** PEM texts. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
}

interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
}

interface Answer {
  readonly location: string | undefined;
  readonly text: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** Gets certificates by ACME (RFC 8555) with challenges of HTTP (http-01, section 8.3). */
export class AcmeClient {
  readonly #options: AcmeClientOptions;
  #directory: Directory | undefined;
  #account: string | undefined;
  #nonce: string | undefined;

  constructor(options: AcmeClientOptions) {
    this.#options = options;
  }

  /**
   * Orders a certificate with a new key for a host name. `answer` makes the host's plain HTTP answer a path with a
   * value, or stops that. Throws AcmeError with the authority's message, errors of the connection, and the signal's
   * reason.
   */
  async order(
    host: string,
    answer: (path: string, value: string | undefined) => Promise<void>,
    signal: AbortSignal,
  ): Promise<IssuedCertificate> {
    const { newOrder } = await this.#readDirectory(signal);
    const created = await this.#post(newOrder, { identifiers: [{ type: 'dns', value: host }] }, signal);
    const orderUrl = created.location ?? fail('the authority did not return the URL of the order.');
    const order = parse(created.text);
    for (const url of strings(order.authorizations)) await this.#authorize(url, answer, signal);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const csr = signingRequest(host, privateKey).toString('base64url');
    await this.#post(string(order.finalize), { csr }, signal);
    const done = await this.#until(orderUrl, ['pending', 'ready', 'processing'], signal);
    if (done.status !== 'valid') fail(`the order ended as ${describe(done)}.`);
    const { text } = await this.#post(string(done.certificate), undefined, signal);
    return { certificate: text, key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
  }

  async #authorize(
    url: string,
    answer: (path: string, value: string | undefined) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const authorization = parse((await this.#post(url, undefined, signal)).text);
    if (authorization.status === 'valid') return;
    const challenge = objects(authorization.challenges).find(({ type }) => type === 'http-01');
    if (challenge === undefined) fail('the authority has no challenge over HTTP for this name.');
    const token = string(challenge.token);
    if (!TOKEN.test(token)) fail('the token of the challenge is malformed.');
    const path = `/.well-known/acme-challenge/${token}`;
    await answer(path, `${token}.${await calculateJwkThumbprint(this.#jwk)}`);
    try {
      await this.#post(string(challenge.url), {}, signal);
      const done = await this.#until(url, ['pending'], signal);
      if (done.status !== 'valid') fail(`the authority could not verify the name: ${describe(done)}.`);
    } finally {
      await answer(path, undefined);
    }
  }

  /** Polls a resource until its status is none of `waiting`. */
  async #until(url: string, waiting: readonly string[], signal: AbortSignal): Promise<Fields> {
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      const fields = parse((await this.#post(url, undefined, signal)).text);
      if (!waiting.includes(string(fields.status))) return fields;
      // Some authorities leave a failed challenge pending, so that it may be tried again (section 8.2).
      if (look >= PATIENT_LOOKS && failedChallenge(fields) !== undefined) return fields;
      await sleep(look < 4 ? FIRST_PAUSE : LOOK_PAUSE, undefined, { signal });
    }
    return fail('the authority did not decide in time.');
  }

  /** Sends a request; without a payload it is a "POST-as-GET" (section 6.3). */
  async #post(url: string, payload: object | undefined, signal: AbortSignal): Promise<Answer> {
    this.#account ??= await this.#openAccount(signal);
    return await this.#send(url, payload, { kid: this.#account }, signal);
  }

  /** Opens the account; for a key that has one, this only finds it (section 7.3.1). */
  async #openAccount(signal: AbortSignal): Promise<string> {
    const { newAccount } = await this.#readDirectory(signal);
    const { kty = '', crv = '', x = '', y = '' } = this.#jwk;
    const jwk = { kty, crv, x, y };
    const { location } = await this.#send(newAccount, { termsOfServiceAgreed: true }, { jwk }, signal);
    return location ?? fail('the authority did not return the URL of the account.');
  }

  async #send(
    url: string,
    payload: object | undefined,
    identity: { readonly kid: string } | { readonly jwk: JWK },
    signal: AbortSignal,
  ): Promise<Answer> {
    const { accountKey } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const nonce = await this.#takeNonce(signal);
      const bytes = Buffer.from(payload === undefined ? '' : JSON.stringify(payload));
      const jws = await new FlattenedSign(bytes)
        .setProtectedHeader({ alg: 'ES256', nonce, url, ...identity })
        .sign(accountKey);
      const { status, ...answer } = await this.#request('POST', url, JSON.stringify(jws), signal);
      if (status < 300) return answer;
      const problem = parse(answer.text);
      const isNonce = problem.type === 'urn:ietf:params:acme:error:badNonce';
      if (!isNonce || attempt === MAX_NONCES) fail(`the authority answers ${status}: ${describe(problem)}.`);
    }
  }

  async #takeNonce(signal: AbortSignal): Promise<string> {
    if (this.#nonce === undefined) {
      const { newNonce } = await this.#readDirectory(signal);
      await this.#request('HEAD', newNonce, undefined, signal);
    }
    const nonce = this.#nonce ?? fail('the authority gave no nonce.');
    this.#nonce = undefined;
    return nonce;
  }

  async #readDirectory(signal: AbortSignal): Promise<Directory> {
    if (this.#directory !== undefined) return this.#directory;
    const { status, text } = await this.#request('GET', this.#options.directory, undefined, signal);
    if (status !== 200) fail(`the directory of the authority answers ${status}.`);
    const fields = parse(text);
    this.#directory = {
      newNonce: string(fields.newNonce),
      newAccount: string(fields.newAccount),
      newOrder: string(fields.newOrder),
    };
    return this.#directory;
  }

  async #request(
    method: 'GET' | 'HEAD' | 'POST',
    url: string,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer & { readonly status: number }> {
    const target = URL.parse(url);
    if (target === null || !/^https?:$/.test(target.protocol))
      fail('the authority names an address that is not of HTTP.');
    const response = await this.#options.exchange.send({
      method,
      url: target,
      verifyCertificate: true,
      signal,
      ...(body !== undefined && { body, headers: { 'content-type': 'application/jose+json' } }),
    });
    const nonce = response.headers['replay-nonce'];
    if (typeof nonce === 'string') this.#nonce = nonce;
    const bytes = await readAtMost(response.body, MAX_ANSWER);
    if (bytes === undefined) fail('the answer of the authority is too long.');
    return { status: response.status, location: response.headers.location, text: bytes.toString('utf8') };
  }

  get #jwk(): JWK {
    return createPublicKey(this.#options.accountKey).export({ format: 'jwk' }) as JWK;
  }
}

function fail(message: string): never {
  throw new AcmeError(message);
}

function parse(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return {};
  }
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function string(value: unknown): string {
  return typeof value === 'string' ? value : fail('the answer of the authority lacks a field.');
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(string) : [];
}

function objects(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : [];
}

function failedChallenge(fields: Fields): Fields | undefined {
  return objects(fields.challenges).find(({ error }) => error !== undefined);
}

/** Returns the authority's message, or that of its first failed challenge, shortened to one line. */
function describe(fields: Fields): string {
  const [problem = {}] = objects([failedChallenge(fields)?.error ?? fields.error ?? fields]);
  const words = [problem.detail, problem.type, problem.status].find((word) => typeof word === 'string');
  return String(words ?? 'an unknown problem')
    .replaceAll(/[^ -~]/g, ' ')
    .slice(0, 300);
}
