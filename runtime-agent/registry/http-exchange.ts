import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { getCACertificates } from 'node:tls';
import { EngineError } from '../errors.ts';

/** Milliseconds without a byte after which a connection counts as dead. */
export const IDLE_TIMEOUT = 60_000;

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly verifyCertificate: boolean;
  readonly signal: AbortSignal;
}

/** An answer whose body is still to come: read it, or destroy it. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: IncomingMessage;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Connections to registries, kept open between requests. */
export class HttpExchange {
  readonly #plain = new http.Agent({ keepAlive: true, timeout: IDLE_TIMEOUT });
  #secureAgent: https.Agent | undefined;

  /**
   * Sends a request, follows redirects of GET and HEAD (without credentials to another origin), and resolves with
   * the answer's head whatever its status. Rejects with the connection's error or the signal's reason; throws EngineError
   * 'registry' for redirects that lead nowhere.
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    let current = request;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#sendOnce(current);
      const location = response.headers.location;
      if (!REDIRECTS.has(response.status) || location === undefined || request.method === 'POST')
        return response;
      response.body.destroy();
      if (redirects === MAX_REDIRECTS) throw badRedirect(request.url, `more than ${MAX_REDIRECTS} times`);
      current = redirected(current, location);
    }
  }

  /** Ends idle connections. */
  close(): void {
    this.#plain.destroy();
    this.#secureAgent?.destroy();
  }

  get #secure(): https.Agent {
    this.#secureAgent ??= new https.Agent({
      keepAlive: true,
      timeout: IDLE_TIMEOUT,
      ca: trustedAuthorities(),
    });
    return this.#secureAgent;
  }

  #sendOnce(request: HttpRequest): Promise<HttpResponse> {
    const { url, method, headers, signal } = request;
    const secure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const outgoing = (secure ? https : http).request(url, {
        method,
        headers: { 'user-agent': 'berth-agent', ...headers },
        signal,
        agent: secure ? this.#secure : this.#plain,
        ...(secure ? { rejectUnauthorized: request.verifyCertificate } : {}),
      });
      const timer = setTimeout(
        () => outgoing.destroy(new Error(`no answer for ${IDLE_TIMEOUT / 1000} seconds`)),
        IDLE_TIMEOUT,
      );
      outgoing.once('response', (body) => {
        clearTimeout(timer);
        resolve({ status: body.statusCode ?? 0, headers: body.headers, body, url });
      });
      outgoing.on('error', (error) => {
        clearTimeout(timer);
        reject(signal.aborted ? signal.reason : error);
      });
      outgoing.end(request.body);
    });
  }
}

/** Node's own authorities and, as docker has it, those that the system's administrator trusts. */
function trustedAuthorities(): string[] {
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
}

function badRedirect(url: URL, how: string): EngineError {
  return new EngineError('registry', `Get "${url.origin}${url.pathname}": the registry redirects ${how}`);
}

function redirected(request: HttpRequest, location: string): HttpRequest {
  const url = URL.parse(location, request.url);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw badRedirect(request.url, `to "${location.slice(0, 200)}"`);
  }
  if (url.origin === request.url.origin) return { ...request, url };
  const { authorization: _, ...headers } = request.headers ?? {};
  // Leave to accept any certificate was given for the registry, not for whom it points at.
  return { ...request, url, headers, verifyCertificate: true };
}
