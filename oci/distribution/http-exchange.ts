import type { ClientRequest, IncomingHttpHeaders } from 'node:http';
import type { Agent } from 'node:https';
import type { SecureContext } from 'node:tls';
import { http } from '../../lib/http/node-http.ts';
import { type ChooseProxy, chooseProxy } from '../../lib/http/proxies/choose-proxy.ts';
import {
  ProxyLoginError,
  proxyPort,
  refusalOfProxy,
  unreachableProxy,
} from '../../lib/http/proxies/proxy-error.ts';
import { type ProxySettings, proxyAuthorization } from '../../lib/http/proxies/proxy-settings.ts';
import { tunnelAgent } from '../../lib/http/proxies/tunnel-agent.ts';
import { bulkGet, type ResponseBody } from './bulk-get.ts';
import { RegistryUnavailableError } from './errors.ts';

/** Milliseconds without a byte after which a connection counts as dead. */
export const IDLE_TIMEOUT = 60_000;
/** Milliseconds that a registry may take over what it was sent: storing a large layer takes some. */
const ANSWER_TIMEOUT = 300_000;

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whole, or a stream that `content-length` is given for. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly verifyCertificate: boolean;
  /** A GET of much: its body is read into memory that is used again when the next chunk is asked for. */
  readonly bulk?: boolean;
  readonly signal: AbortSignal;
}

/** A request with all its headers. */
type SentRequest = HttpRequest & Required<Pick<HttpRequest, 'headers'>>;

/** An answer whose body is still to come: read it, or destroy it. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: ResponseBody;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

const MAX_REDIRECTS = 5;
/** Answers of status 1xx before the one that counts, as in Go's client. */
const MAX_INFORMATIONAL = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What a request's own body failed with, as its cause: no failure of the connection. */
export class BodyError extends Error {
  override readonly name = 'BodyError';
  constructor(cause: unknown) {
    super('the content that was to be sent cannot be read', { cause });
  }
}

/** Connections to registries, directly or by a proxy, kept open between requests. */
export class HttpExchange {
  /** Name of this program, for registries and token servers. */
  readonly client: string;
  readonly #chooseProxy: ChooseProxy;
  readonly #plain = new http.Agent({ keepAlive: true, timeout: IDLE_TIMEOUT });
  #secureAgent: Agent | undefined;
  #tunnelAgent: Agent | undefined;
  #secureContext: SecureContext | undefined;
  /** Of hosts whose one authority is known, by `host:port` as in a URL. */
  readonly #pinned = new Map<string, { readonly context: SecureContext; agent?: Agent }>();

  constructor(proxies?: ProxySettings, client = 'berth-agent') {
    this.client = client;
    this.#chooseProxy = chooseProxy(proxies);
  }

  /**
   * Sends a request, follows redirects of GET and HEAD (without credentials to another origin), and resolves with
   * the answer's head whatever its status; an answer that comes before the end of a streamed body ends the sending. Rejects with the connection's error or the signal's reason; throws RegistryUnavailableError
   * 'registry' for redirects that lead nowhere.
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    let current: SentRequest = {
      ...request,
      headers: { 'user-agent': this.client, ...request.headers },
    };
    for (let redirects = 0; ; redirects++) {
      const response = (await this.#sendBulk(current)) ?? (await this.#sendOnce(current));
      const location = response.headers.location;
      const mayFollow = request.method === 'GET' || request.method === 'HEAD';
      if (!mayFollow || !REDIRECTS.has(response.status) || location === undefined) return response;
      response.body.destroy();
      if (redirects === MAX_REDIRECTS) throw badRedirect(request.url, `more than ${MAX_REDIRECTS} times`);
      current = redirected(current, location);
    }
  }

  /**
   * From now on only this authority (PEM), which may be an intermediate one, is trusted for `host`, which is as in a URL:
   * `registry.example:5000`.
   */
  trust(host: string, authority: string): void {
    this.#pinned.get(host)?.agent?.destroy();
    const context = tls().createSecureContext({ ca: authority, allowPartialTrustChain: true });
    this.#pinned.set(host, { context });
  }

  /** The connections to a server with TLS, directly or by the tunnel of a proxy. */
  secureAgent(url: URL): Agent {
    const proxy = this.#chooseProxy(url);
    const pinned = this.#pinned.get(url.host);
    if (pinned === undefined) return proxy === undefined ? this.#secure : this.#tunnels(proxy);
    pinned.agent ??= this.#newAgent(pinned.context, proxy);
    return pinned.agent;
  }

  /** Ends idle connections. */
  close(): void {
    for (const { agent } of this.#pinned.values()) agent?.destroy();
    this.#plain.destroy();
    this.#secureAgent?.destroy();
    this.#tunnelAgent?.destroy();
  }

  get #trusted(): SecureContext {
    this.#secureContext ??= tls().createSecureContext({ ca: trustedAuthorities() });
    return this.#secureContext;
  }

  get #secure(): Agent {
    this.#secureAgent ??= this.#newAgent(this.#trusted, undefined);
    return this.#secureAgent;
  }

  #tunnels(proxy: URL): Agent {
    this.#tunnelAgent ??= this.#newAgent(this.#trusted, proxy);
    return this.#tunnelAgent;
  }

  /** With a context for all connections: Node would read some 300 certificates again for each. */
  #newAgent(secureContext: SecureContext, proxy: URL | undefined): Agent {
    const options = { keepAlive: true, timeout: IDLE_TIMEOUT, secureContext };
    if (proxy === undefined) return new (https().Agent)(options);
    return tunnelAgent(options, { proxy, secureContext: this.#trusted, timeout: IDLE_TIMEOUT });
  }

  /** Undefined where the request is none of that kind, or its answer. */
  async #sendBulk(request: SentRequest): Promise<HttpResponse | undefined> {
    const { url, headers, verifyCertificate, signal } = request;
    if (request.bulk !== true || this.#chooseProxy(url) !== undefined) return undefined;
    const answer = await bulkGet({
      url,
      headers,
      ...(url.protocol === 'https:' &&
        verifyCertificate && {
          trusted: this.#pinned.get(url.host)?.context ?? this.#trusted,
        }),
      timeout: IDLE_TIMEOUT,
      headTimeout: ANSWER_TIMEOUT,
      signal,
    });
    return answer && { ...answer, url };
  }

  #sendOnce(request: SentRequest): Promise<HttpResponse> {
    const { url, signal } = request;
    const proxy = this.#chooseProxy(url);
    const forwarder = url.protocol === 'https:' ? undefined : proxy;
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const outgoing =
        forwarder === undefined ? this.#openDirectly(request) : this.#openForwarded(request, forwarder);
      const patience = new Patience(outgoing);
      outgoing.once('response', (body) => {
        patience.end();
        if (forwarder !== undefined && body.statusCode === 407) {
          reject(asRegistryFailure(refusalOfProxy(forwarder, body.statusCode, '', url.host)));
          outgoing.destroy();
          return;
        }
        // What was not sent would be taken for the next request on this connection.
        body.once('close', () => !outgoing.writableEnded && outgoing.destroy());
        resolve({ status: body.statusCode ?? 0, headers: body.headers, body, url });
      });
      let informed = 0;
      outgoing.on('information', () => {
        informed += 1;
        if (informed > MAX_INFORMATIONAL) outgoing.destroy(new Error('too many 1xx informational responses'));
      });
      // Neither is an answer, and nobody else would ever say so.
      outgoing.once('upgrade', (_, socket) => {
        socket.destroy();
        outgoing.destroy(new Error('it changes to another protocol, which nobody asked for'));
      });
      outgoing.once('close', () => {
        patience.end();
        reject(signal.aborted ? signal.reason : new Error('the connection was closed without an answer'));
      });
      outgoing.on('error', (error) => {
        patience.end();
        const failure =
          forwarder === undefined ? asRegistryFailure(error) : unreachableProxy(forwarder, error);
        reject(signal.aborted ? signal.reason : failure);
      });
      const { body } = request;
      if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body);
      else {
        sendBody(outgoing, body, () => patience.renew()).catch((error: unknown) => {
          reject(signal.aborted ? signal.reason : new BodyError(error));
          outgoing.destroy();
        });
      }
    });
  }

  /** To the server itself, or through the tunnel of a proxy. */
  #openDirectly(request: SentRequest): ClientRequest {
    const { url, method, headers, signal } = request;
    const options = { method, headers, signal };
    if (url.protocol !== 'https:') return http.request(url, { ...options, agent: this.#plain });
    return https().request(url, {
      ...options,
      agent: this.secureAgent(url),
      rejectUnauthorized: request.verifyCertificate,
    });
  }

  /** To a proxy, which is given the whole address (RFC 9112, 3.2.2). */
  #openForwarded({ url, method, headers, signal }: SentRequest, proxy: URL): ClientRequest {
    const isSecure = proxy.protocol === 'https:';
    const { username, password } = url;
    return (isSecure ? https() : http).request({
      protocol: proxy.protocol,
      hostname: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxyPort(proxy),
      method,
      path: `${url.origin}${url.pathname}${url.search}`,
      headers: { host: url.host, ...headers, ...proxyAuthorization(proxy) },
      ...(username !== '' && { auth: `${decodeURIComponent(username)}:${decodeURIComponent(password)}` }),
      signal,
      agent: isSecure ? this.#secure : this.#plain,
    });
  }
}

/** Ends a request that nothing is heard of for IDLE_TIMEOUT, or for ANSWER_TIMEOUT when all of it has been sent. */
class Patience {
  readonly #request: ClientRequest;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(request: ClientRequest) {
    this.#request = request;
    this.renew();
    request.once('finish', () => this.renew());
  }

  renew(): void {
    clearTimeout(this.#timer);
    if (this.#ended) return;
    const limit = this.#request.writableFinished ? ANSWER_TIMEOUT : IDLE_TIMEOUT;
    this.#timer = setTimeout(
      () => this.#request.destroy(new Error(`no answer for ${limit / 1000} seconds`)),
      limit,
    );
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }
}

/** Writes `body` as fast as the connection takes it, until its end or until an answer or a failure ends the request. */
async function sendBody(
  outgoing: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  onProgress: () => void,
): Promise<void> {
  const ended = Promise.withResolvers<void>();
  let answered = false;
  outgoing.once('response', () => {
    answered = true;
    ended.resolve();
  });
  outgoing.once('close', () => ended.resolve());
  for await (const chunk of body) {
    if (answered || outgoing.destroyed) return;
    if (!outgoing.write(chunk)) {
      const drained = new Promise<void>((resolve) => outgoing.once('drain', resolve));
      await Promise.race([drained, ended.promise]);
    }
    onProgress();
  }
  outgoing.end();
}

/** The proxy's refusal of a login is final, so it is not taken for a connection that failed. */
function asRegistryFailure(error: Error): Error {
  if (!(error instanceof ProxyLoginError)) return error;
  return new RegistryUnavailableError('registry', error.message, { cause: error });
}

/** Loaded at its first use: an agent may well have none but plain registries. */
function https() {
  return process.getBuiltinModule('node:https');
}

function tls() {
  return process.getBuiltinModule('node:tls');
}

/** Node's own authorities and, as docker has it, those that the system's administrator trusts. */
function trustedAuthorities(): string[] {
  const { getCACertificates } = tls();
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
}

function badRedirect(url: URL, how: string): RegistryUnavailableError {
  return new RegistryUnavailableError(
    'registry',
    `Get "${url.origin}${url.pathname}": the registry redirects ${how}`,
  );
}

function redirected(request: SentRequest, location: string): SentRequest {
  const url = URL.parse(location, request.url);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw badRedirect(request.url, `to "${location.slice(0, 200)}"`);
  }
  if (url.origin === request.url.origin) return { ...request, url };
  const { authorization: _, ...headers } = request.headers;
  // Leave to accept any certificate was given for the registry, not for whom it points at.
  return { ...request, url, headers, verifyCertificate: true };
}
