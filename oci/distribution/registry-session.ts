import { parseChallenges } from '../../lib/http/parse-challenges.ts';
import { Semaphore } from '../../lib/sync/semaphore.ts';
import { type Authorization, authorize } from './authorize.ts';
import type { RegistryCredentials } from './credentials/registry-credentials.ts';
import { connectionFailure, DistributionError, RegistryUnavailableError } from './errors.ts';
import { BodyError, type HttpExchange, type HttpRequest, type HttpResponse } from './http-exchange.ts';
import { readBody } from './read-body.ts';
import type { RegistryAddress } from './registry-address.ts';
import { TransientError } from './retry.ts';

export interface RegistrySessionOptions {
  readonly exchange: HttpExchange;
  readonly address: RegistryAddress;
  /** Called once, when the registry requests a login. */
  readonly credentials: (signal: AbortSignal) => Promise<RegistryCredentials>;
  /** Such as `repository:NAME:pull`; empty for a login alone (distribution, "Token Scope Documentation"). */
  readonly scopes: readonly string[];
  /** Requests an identity token too (`docker login`). */
  readonly offline?: boolean;
}

export interface SessionRequest {
  readonly method: HttpRequest['method'];
  /** A path such as `/v2/`, or a URL from the registry. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** See HttpRequest. */
  readonly bulk?: boolean;
  /** Called each time the request is sent. */
  readonly body?: () => NonNullable<HttpRequest['body']>;
}

/** State that all sessions of one registry share. */
interface SharedState {
  /** Held while the scheme is determined. */
  readonly finding: Semaphore;
  base?: URL;
  credentials?: RegistryCredentials;
}

const MAX_PING_BODY = 64 << 10;

/** Requests to one registry with authorization: the scheme and the token are determined once and cached. */
export class RegistrySession {
  readonly #options: RegistrySessionOptions;
  readonly #shared: SharedState;
  /** Held while a token is fetched: requests that were refused concurrently share the next token. */
  readonly #authorizing = new Semaphore(1);
  #authorization: Authorization | undefined;

  constructor(options: RegistrySessionOptions, shared: SharedState = { finding: new Semaphore(1) }) {
    this.#options = options;
    this.#shared = shared;
  }

  /** `HOST` or `HOST:PORT` of the registry. */
  get host(): string {
    return this.#options.address.host;
  }

  /** The token server's replacement for the password; undefined if it gave none. */
  get identityToken(): string | undefined {
    return this.#authorization?.identityToken;
  }

  /** Returns a session with its own token; the scheme and the credentials are shared. */
  withScopes(scopes: readonly string[]): RegistrySession {
    return new RegistrySession({ ...this.#options, scopes }, this.#shared);
  }

  /** Like `send`, for `GET <path>`. */
  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    return await this.send({ method: 'GET', target: path, headers }, signal);
  }

  /**
   * Sends a request, after a login if the registry requests one, and resolves with the answer whatever its status; a
   * 401 then rejects the credentials, not an expired token. Credentials go to the registry's own origin only. Throws
   * DistributionError 'unauthorized' or 'registry', errors of the body, and TransientError if a retry may succeed.
   */
  async send(request: SessionRequest, signal: AbortSignal): Promise<HttpResponse> {
    const base = this.#shared.base ?? (await this.#findBase(signal));
    const url = targetUrl(request.target, base);
    const expired = this.#authorization !== undefined && this.#authorization.expiresAt <= performance.now();
    if (expired) this.#authorization = undefined;
    const used = this.#authorization;
    const response = await this.#sendOnce(request, url, signal);
    if (response.status !== 401 || url.origin !== base.origin) return response;
    response.body.destroy();
    await this.#authorize(used, response, request.method, signal);
    return await this.#sendOnce(request, url, signal);
  }

  /**
   * Resolves a link in `response` at this registry: behind a reverse proxy the link may have another scheme or host.
   * Returns undefined if it is not a URL.
   */
  resolveLink(link: string, response: HttpResponse): URL | undefined {
    const linked = URL.parse(link, response.url);
    if (linked === null) return undefined;
    const url = new URL(this.#shared.base ?? response.url);
    url.pathname = linked.pathname;
    url.search = linked.search;
    return url;
  }

  async #sendOnce(request: SessionRequest, url: URL, signal: AbortSignal): Promise<HttpResponse> {
    const { exchange, address } = this.#options;
    const { method, headers, body, bulk = false } = request;
    const own = this.#shared.base === undefined || url.origin === this.#shared.base.origin;
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

  /** Logs in, unless another request has logged in since `used` was sent. */
  async #authorize(
    used: Authorization | undefined,
    response: HttpResponse,
    method: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { exchange, scopes, address, offline = false } = this.#options;
    await this.#authorizing.hold(signal, async () => {
      if (this.#authorization !== used) return;
      this.#authorization = await authorize(exchange, {
        challenges: parseChallenges(response.headers['www-authenticate'] ?? ''),
        credentials: await this.#ownCredentials(signal),
        scopes,
        offline,
        url: response.url,
        method,
        verifyCertificate: address.verifyCertificate,
        signal,
      });
    });
  }

  async #ownCredentials(signal: AbortSignal): Promise<RegistryCredentials> {
    this.#shared.credentials ??= await this.#options.credentials(signal);
    return this.#shared.credentials;
  }

  /** Determines the registry's scheme by `GET /v2/`, and logs in if that is possible before the first request. */
  async #findBase(signal: AbortSignal): Promise<URL> {
    return await this.#shared.finding.hold(signal, async () => {
      if (this.#shared.base !== undefined) return this.#shared.base;
      const { schemes, host, basePath = '/' } = this.#options.address;
      const bases = schemes.map((scheme) => new URL(`${scheme}://${host}${basePath}`));
      for (const [index, base] of bases.entries()) {
        try {
          const response = await this.#sendOnce(
            { method: 'GET', target: '/v2/' },
            targetUrl('/v2/', base),
            signal,
          );
          this.#shared.base = base;
          await this.#loginEarly(response, signal);
          return base;
        } catch (error) {
          if (!(error instanceof TransientError)) throw error;
          if (this.#shared.base !== undefined) throw error;
          if (index === bases.length - 1 || !mayBePlain(error)) throw error.failure;
        }
      }
      throw new RangeError(`no scheme is allowed for ${host}`);
    });
  }

  /** Skips a Basic challenge without credentials: a repository may still be public, so its answer decides. */
  async #loginEarly(ping: HttpResponse, signal: AbortSignal): Promise<void> {
    const challenges = parseChallenges(ping.headers['www-authenticate'] ?? '');
    if (
      ping.status === 401 &&
      (challenges.some(({ scheme }) => scheme === 'bearer') || (await this.#ownCredentials(signal)).username)
    ) {
      ping.body.destroy();
      await this.#authorize(undefined, ping, 'GET', signal);
    } else await readBody(ping, MAX_PING_BODY, signal).catch(() => undefined);
  }
}

/**
 * Returns the URL of a target; paths are below the base. Throws RegistryUnavailableError when a registry with TLS names
 * a URL without TLS.
 */
function targetUrl(target: string | URL, base: URL): URL {
  const url = typeof target === 'string' ? new URL(`.${target}`, base) : target;
  if (base.protocol === 'https:' && url.protocol !== 'https:') {
    throw new RegistryUnavailableError(
      'registry',
      `${base.host} names ${url.origin}, which has no TLS: that is refused`,
    );
  }
  return url;
}

/** Reports whether the registry may speak plain HTTP, given that TLS failed: something listens there. */
function mayBePlain(error: TransientError): boolean {
  const cause = error.failure.cause as NodeJS.ErrnoException | undefined;
  return !['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH'].includes(cause?.code ?? '');
}
