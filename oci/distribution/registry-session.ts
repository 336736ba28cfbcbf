import { parseChallenges } from '../../lib/http/parse-challenges.ts';
import { type Authorization, authorize } from './authorize.ts';
import type { RegistryCredentials } from './credentials/registry-credentials.ts';
import { DistributionError } from './errors.ts';
import { BodyError, type HttpExchange, type HttpRequest, type HttpResponse } from './http-exchange.ts';
import { readBody } from './read-body.ts';
import type { RegistryAddress } from './registry-address.ts';
import { connectionFailure } from './registry-error.ts';
import { TransientError } from './retry.ts';

export interface RegistrySessionOptions {
  readonly exchange: HttpExchange;
  readonly address: RegistryAddress;
  /** Asked once, when the registry asks for a login. */
  readonly credentials: (signal: AbortSignal) => Promise<RegistryCredentials>;
  /** `repository:NAME:pull` and their like; none for a login alone (distribution, token scope). */
  readonly scopes: readonly string[];
  /** Whether an identity token is asked for as well (`docker login`). */
  readonly offline?: boolean;
}

export interface SessionRequest {
  readonly method: HttpRequest['method'];
  /** A path of the registry, or an address that it has named. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** See HttpRequest. */
  readonly bulk?: boolean;
  /** Made anew for each time that the request is sent. */
  readonly body?: () => NonNullable<HttpRequest['body']>;
}

const MAX_PING_BODY = 64 << 10;

/** Requests to one registry with what it wants for authorization: the scheme and the token are found once and kept. */
export class RegistrySession {
  readonly #options: RegistrySessionOptions;
  #base: URL | undefined;
  #authorization: Authorization | undefined;
  #credentials: RegistryCredentials | undefined;

  constructor(options: RegistrySessionOptions) {
    this.#options = options;
  }

  /** `host` or `host:port` of the registry. */
  get host(): string {
    return this.#options.address.host;
  }

  /** What the token server gave to log in with from now on, instead of a password; undefined where it gave nothing. */
  get identityToken(): string | undefined {
    return this.#authorization?.identityToken;
  }

  /** As `send`, for `GET <path>`. */
  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    return await this.send({ method: 'GET', target: path, headers }, signal);
  }

  /**
   * Sends a request, after a login where the registry asks for one, and resolves with the answer whatever its status; 401 is
   * what it says to the credentials, not to a token that has ended. Credentials go to the registry's own origin only. Throws
   * DistributionError 'unauthorized' or 'registry', what the body fails with, and TransientError where another try may help.
   */
  async send(request: SessionRequest, signal: AbortSignal): Promise<HttpResponse> {
    this.#base ??= await this.#findBase(signal);
    const url = targetUrl(request.target, this.#base);
    const expired = this.#authorization !== undefined && this.#authorization.expiresAt <= performance.now();
    if (expired) this.#authorization = undefined;
    const used = this.#authorization;
    const response = await this.#sendOnce(request, url, signal);
    if (response.status !== 401 || url.origin !== this.#base.origin) return response;
    response.body.destroy();
    // Another request may have brought a new token meanwhile.
    if (this.#authorization === used) await this.#authorize(response, request.method, signal);
    return await this.#sendOnce(request, url, signal);
  }

  async #sendOnce(request: SessionRequest, url: URL, signal: AbortSignal): Promise<HttpResponse> {
    const { exchange, address } = this.#options;
    const { method, headers, body, bulk = false } = request;
    const own = this.#base === undefined || url.origin === this.#base.origin;
    const authorization = own ? this.#authorization?.header : undefined;
    try {
      return await exchange.send({
        method,
        url,
        headers: { ...headers, ...(authorization && { authorization }) },
        ...(body === undefined ? {} : { body: body() }),
        verifyCertificate: !own || address.verifyCertificate,
        bulk,
        signal,
      });
    } catch (error) {
      if (signal.aborted || error instanceof DistributionError) throw error;
      if (error instanceof BodyError) throw error.cause;
      throw new TransientError(connectionFailure(error, { method, url }));
    }
  }

  async #authorize(response: HttpResponse, method: string, signal: AbortSignal): Promise<void> {
    const { exchange, scopes, address, offline = false } = this.#options;
    const credentials = await this.#ownCredentials(signal);
    this.#authorization = await authorize(exchange, {
      challenges: parseChallenges(response.headers['www-authenticate'] ?? ''),
      credentials,
      scopes,
      offline,
      url: response.url,
      method,
      verifyCertificate: address.verifyCertificate,
      signal,
    });
  }

  async #ownCredentials(signal: AbortSignal): Promise<RegistryCredentials> {
    this.#credentials ??= await this.#options.credentials(signal);
    return this.#credentials;
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
    const response = await this.#sendOnce({ method: 'GET', target: '/v2/' }, new URL('/v2/', base), signal);
    const challenges = parseChallenges(response.headers['www-authenticate'] ?? '');
    // Without credentials a repository may still be open to all: it is for its own answer to say.
    if (
      response.status === 401 &&
      (challenges.some(({ scheme }) => scheme === 'bearer') || (await this.#ownCredentials(signal)).username)
    ) {
      response.body.destroy();
      await this.#authorize(response, 'GET', signal);
    } else await readBody(response, MAX_PING_BODY, signal).catch(() => undefined);
  }
}

/** Throws DistributionError 'registry' for an address that would take what is sent out of TLS. */
function targetUrl(target: string | URL, base: URL): URL {
  const url = new URL(target, base);
  if (base.protocol === 'https:' && url.protocol !== 'https:') {
    throw new DistributionError(
      'registry',
      `${base.host} names ${url.origin}, which has no TLS: that is refused`,
    );
  }
  return url;
}

/** Whether what failed as TLS may work without; nobody listens for a refused connection. */
function mayBePlain(error: TransientError): boolean {
  const cause = error.failure.cause as NodeJS.ErrnoException | undefined;
  return !['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH'].includes(cause?.code ?? '');
}
