import { setTimeout as sleep } from 'node:timers/promises';
import { parseChallenges } from '../../lib/http/parse-challenges.ts';
import { SourceUnavailableError } from '../../storage/import/import-source.ts';
import { reasonOf } from '../../storage/import/resumed-read.ts';
import { basicAuthorization, fetchToken, type RegistryCredentials } from './registry-token.ts';

export interface ConnectionRequest {
  readonly method?: 'GET' | 'HEAD';
  /** Absolute, or a path of the registry. */
  readonly path: string;
  /** Such as `repository:NAME:pull`. */
  readonly scope: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

const TRIES = 6;
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 60_000;
const TRANSIENT: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Of connections that are refused for a reason which stays: a name or a certificate. */
const FINAL = /^(?:ENOTFOUND|CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/**
 * Requests to a registry with what it wants for a login (distribution-spec, "Pull"; Docker's token protocol): each
 * token is fetched when its scope is refused, and kept. Redirects are followed, without the login to other hosts.
 */
export class RegistryConnection {
  readonly #base: URL;
  readonly #credentials: RegistryCredentials | undefined;
  readonly #authorizations = new Map<string, Promise<string | undefined>>();

  /** `base` ends with a slash, before `v2/`. */
  constructor(base: URL, credentials: RegistryCredentials | undefined) {
    this.#base = base;
    this.#credentials = credentials;
  }

  get host(): string {
    return this.#base.host;
  }

  /**
   * Answers whatever the status; 401 is what the registry says to the login. Where a repetition may help it is made
   * first. Throws SourceUnavailableError when no login is at hand and when nobody answers.
   */
  async send(request: ConnectionRequest): Promise<Response> {
    for (let tries = 1; ; tries += 1) {
      const response = await this.#attempt(request, tries === TRIES);
      if (response !== undefined && (!TRANSIENT.has(response.status) || tries === TRIES)) return response;
      await response?.body?.cancel();
      const backoff = FIRST_PAUSE * 2 ** (tries - 1) * (0.5 + Math.random() / 2);
      const wanted = Number(response?.headers.get('retry-after') ?? 0) * 1000 || 0;
      await sleep(Math.min(Math.max(backoff, wanted), LONGEST_PAUSE), undefined, { signal: request.signal });
    }
  }

  /** Undefined when nobody answered; on the last try that is an error. */
  async #attempt(request: ConnectionRequest, isLast: boolean): Promise<Response | undefined> {
    try {
      return await this.#sendWithLogin(request);
    } catch (cause) {
      request.signal.throwIfAborted();
      if (cause instanceof SourceUnavailableError) throw cause;
      if (!isLast && !isFinal(cause)) return undefined;
      throw new SourceUnavailableError(`${this.#base.origin} cannot be reached: ${reasonOf(cause)}`, {
        cause,
      });
    }
  }

  async #sendWithLogin(request: ConnectionRequest): Promise<Response> {
    const known = this.#authorizations.get(request.scope);
    const response = await this.#sendOnce(request, await known);
    if (response.status !== 401) return response;
    await response.body?.cancel();
    // Whoever was refused with the same authorization fetches the next one; the others wait for it.
    let next = this.#authorizations.get(request.scope);
    if (next === known) {
      next = this.#authorize(response.headers.get('www-authenticate') ?? '', request);
      next.catch(() => this.#authorizations.delete(request.scope));
      this.#authorizations.set(request.scope, next);
    }
    return this.#sendOnce(request, await next);
  }

  #sendOnce(
    { method = 'GET', path, headers, signal }: ConnectionRequest,
    authorization: string | undefined,
  ): Promise<Response> {
    return fetch(new URL(path, this.#base), {
      method,
      headers: {
        // A blob that is compressed on the way would not have its digest.
        'accept-encoding': 'identity',
        'user-agent': 'berth-import',
        ...headers,
        ...(authorization !== undefined && { authorization }),
      },
      signal,
    });
  }

  async #authorize(header: string, { scope, signal }: ConnectionRequest): Promise<string> {
    const challenges = parseChallenges(header);
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      return fetchToken({
        registry: this.#base,
        parameters: bearer.parameters,
        scope,
        credentials: this.#credentials,
        signal,
      });
    }
    if (this.#credentials?.kind === 'password' && challenges.some(({ scheme }) => scheme === 'basic')) {
      return basicAuthorization(this.#credentials);
    }
    throw new SourceUnavailableError(
      `${this.host} wants a login: give --user and BERTH_IMPORT_PASSWORD, or use "docker login"`,
    );
  }
}

function isFinal(error: unknown): boolean {
  const { cause } = error as Error;
  return FINAL.test((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
}
