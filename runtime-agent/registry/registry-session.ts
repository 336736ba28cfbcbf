import { parseChallenges } from '../../auth/parse-challenges.ts';
import { EngineError } from '../errors.ts';
import type { RegistryCredentials } from '../images/images.ts';
import { type Authorization, authorize } from './authorize.ts';
import type { HttpExchange, HttpResponse } from './http-exchange.ts';
import { readBody } from './read-body.ts';
import type { RegistryAddress } from './registry-address.ts';
import { connectionFailure } from './registry-error.ts';
import { TransientError } from './retry.ts';

export interface RegistrySessionOptions {
  readonly exchange: HttpExchange;
  readonly address: RegistryAddress;
  readonly credentials: RegistryCredentials;
  /** `repository:NAME:pull`, or '' for a login alone (distribution, token scope). */
  readonly scope: string;
}

const MAX_PING_BODY = 64 << 10;

/** GET requests to one registry with what it wants for authorization: the scheme and the token are found once and kept. */
export class RegistrySession {
  readonly #options: RegistrySessionOptions;
  #base: URL | undefined;
  #authorization: Authorization | undefined;

  constructor(options: RegistrySessionOptions) {
    this.#options = options;
  }

  /**
   * Sends `GET <path>`, after a login where the registry asks for one, and resolves with the answer whatever its status; 401 is
   * what it says to the credentials. Throws EngineError 'unauthorized' or 'registry'; TransientError where another try may help.
   */
  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    this.#base ??= await this.#findBase(signal);
    const url = new URL(path, this.#base);
    const expired = this.#authorization !== undefined && this.#authorization.expiresAt <= Date.now();
    if (expired) this.#authorization = undefined;
    const response = await this.#send(url, headers, signal);
    if (response.status !== 401) return response;
    response.body.destroy();
    await this.#authorize(response, signal);
    return await this.#send(url, headers, signal);
  }

  async #send(
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const { exchange, address } = this.#options;
    const authorization = this.#authorization?.header;
    try {
      return await exchange.send({
        method: 'GET',
        url,
        headers: { ...headers, ...(authorization && { authorization }) },
        verifyCertificate: address.verifyCertificate,
        signal,
      });
    } catch (error) {
      if (signal.aborted || error instanceof EngineError) throw error;
      throw new TransientError(connectionFailure(error, { method: 'GET', url }));
    }
  }

  async #authorize(response: HttpResponse, signal: AbortSignal): Promise<void> {
    const { exchange, credentials, scope, address } = this.#options;
    this.#authorization = await authorize(exchange, {
      challenges: parseChallenges(response.headers['www-authenticate'] ?? ''),
      credentials,
      scope,
      url: response.url,
      method: 'GET',
      verifyCertificate: address.verifyCertificate,
      signal,
    });
  }

  /** Finds the scheme that the registry speaks by `GET /v2/`, and logs in where that can be done already. */
  async #findBase(signal: AbortSignal): Promise<URL> {
    const { address } = this.#options;
    const bases = address.schemes.map((scheme) => new URL(`${scheme}://${address.host}/`));
    for (const [index, base] of bases.entries()) {
      try {
        await this.#ping(base, signal);
        return base;
      } catch (error) {
        if (!(error instanceof TransientError)) throw error;
        if (index === bases.length - 1 || !mayBePlain(error)) throw error.failure;
      }
    }
    throw new RangeError(`no scheme is allowed for ${address.host}`);
  }

  async #ping(base: URL, signal: AbortSignal): Promise<void> {
    const response = await this.#send(new URL('/v2/', base), {}, signal);
    const challenges = parseChallenges(response.headers['www-authenticate'] ?? '');
    const canAnswer =
      this.#options.credentials.username !== undefined ||
      challenges.some(({ scheme }) => scheme === 'bearer');
    // Without credentials a repository may still be open to all: it is for its own answer to say.
    if (response.status === 401 && canAnswer) {
      response.body.destroy();
      await this.#authorize(response, signal);
    } else await readBody(response, MAX_PING_BODY, signal).catch(() => undefined);
  }
}

/** Whether what failed as TLS may work without; nobody listens for a refused connection. */
function mayBePlain(error: TransientError): boolean {
  const cause = error.failure.cause as NodeJS.ErrnoException | undefined;
  return !['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH'].includes(cause?.code ?? '');
}
