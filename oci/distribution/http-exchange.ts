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
import { formatTraceparent, tracer } from '../../lib/tracing/trace.ts';
import { bulkGet, type ResponseBody } from './bulk-get.ts';
import { RegistryUnavailableError } from './errors.ts';

/** Milliseconds of silence after which a connection counts as dead. */
export const IDLE_TIMEOUT = 60_000;
/** Maximum milliseconds between the end of a request and its answer: storing a large layer takes time. */
const ANSWER_TIMEOUT = 300_000;

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** The whole body, or a stream, for which the header `content-length` is set. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly verifyCertificate: boolean;
  /** A large GET: chunks of its body share memory, and each is valid until the next is requested. */
  readonly bulk?: boolean;
  readonly signal: AbortSignal;
}

/** A request with its final headers. */
type SentRequest = HttpRequest & Required<Pick<HttpRequest, 'headers'>>;

/** An answer whose body has not been read: read it, or destroy it. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: ResponseBody;
  /** The final URL, after redirects. */
  readonly url: URL;
}

const MAX_REDIRECTS = 5;
/** Maximum answers with status 1xx before the final one, as in Go's client. */
const MAX_INFORMATIONAL = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Reading the request's own body failed, for the reason in `cause`; the connection did not fail. */
export class BodyError extends Error {
  override readonly name = 'BodyError';
  constructor(cause: unknown) {
    super('the content that was to be sent cannot be read', { cause });
  }
}

/** Connections to registries, direct or through a proxy, kept alive between requests. */
export class HttpExchange {
  /** Name of this program, for registries and token servers. */
  readonly client: string;
  readonly #chooseProxy: ChooseProxy;
  readonly #plain = new http.Agent({ keepAlive: true, timeout: IDLE_TIMEOUT });
  #secureAgent: Agent | undefined;
  #tunnelAgent: Agent | undefined;
  #secureContext: SecureContext | undefined;
  /** Contexts of hosts with a pinned authority, by `host:port` as in a URL. */
  readonly #pinned = new Map<string, { readonly context: SecureContext; agent?: Agent }>();

  constructor(proxies?: ProxySettings, client = 'berth-agent') {
    this.client = client;
    this.#chooseProxy = chooseProxy(proxies);
  }

  /**
   * Sends a request, follows redirects of GET and HEAD (without credentials to another origin), and resolves with the
   * answer's head whatever its status. An answer before the end of a streamed body stops the upload. Rejects with the
   * connection's error or the signal's reason; throws RegistryUnavailableError 'registry' for invalid redirects.
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const traces = tracer();
    // Requests outside of any span, such as those of the connection to a fleet, would be traces without end.
    if (traces?.current === undefined) return this.#follow(request);
    const { headers, method, url } = request;
    const attributes: Record<string, string | number> = {
      'http.request.method': method,
      'server.address': url.hostname,
      'url.path': url.pathname,
    };
    return traces.run({ name: method, kind: 'client', attributes }, async () => {
      const traceparent = traces.current && formatTraceparent(traces.current);
      const response = await this.#follow({
        ...request,
        headers: { ...headers, ...(traceparent !== undefined && { traceparent }) },
      });
      attributes['http.response.status_code'] = response.status;
      return response;
    });
  }

  async #follow(request: HttpRequest): Promise<HttpResponse> {
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
   * Trusts only this authority (PEM), which may be an intermediate one, for `host` from now on. `host` is as in a URL:
   * `registry.example:5000`.
   */
  trust(host: string, authority: string): void {
    this.#pinned.get(host)?.agent?.destroy();
    const context = tls().createSecureContext({ ca: authority, allowPartialTrustChain: true });
    this.#pinned.set(host, { context });
  }

  /** Returns the agent for a TLS server, direct or through a proxy's tunnel. */
  secureAgent(url: URL): Agent {
    const proxy = this.#chooseProxy(url);
    const pinned = this.#pinned.get(url.host);
    if (pinned === undefined) return proxy === undefined ? this.#secure : this.#tunnels(proxy);
    pinned.agent ??= this.#newAgent(pinned.context, proxy);
    return pinned.agent;
  }

  /** Closes idle connections. */
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

  /** Shares one context: otherwise Node would parse some 300 certificates for each connection. */
  #newAgent(secureContext: SecureContext, proxy: URL | undefined): Agent {
    const options = { keepAlive: true, timeout: IDLE_TIMEOUT, secureContext };
    if (proxy === undefined) return new (https().Agent)(options);
    return tunnelAgent(options, { proxy, secureContext: this.#trusted, timeout: IDLE_TIMEOUT });
  }

  /** Returns undefined when the request or its answer does not qualify. */
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
        // Unsent bytes would be taken for the next request on this connection.
        body.once('close', () => !outgoing.writableEnded && outgoing.destroy());
        resolve({ status: body.statusCode ?? 0, headers: body.headers, body, url });
      });
      let informed = 0;
      outgoing.on('information', () => {
        informed += 1;
        if (informed > MAX_INFORMATIONAL) outgoing.destroy(new Error('too many 1xx informational responses'));
      });
      // Neither event is an answer, and no other event would report it.
      outgoing.once('upgrade', (_, socket) => {
        socket.destroy();
        outgoing.destroy(new Error('it switches to another protocol, which was not requested'));
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

  /** Sends a request to the server itself, or through a proxy's tunnel. */
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

  /** Sends a request to a proxy, with the absolute URL (RFC 9112, 3.2.2). */
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

/** Aborts a request after IDLE_TIMEOUT without progress, or ANSWER_TIMEOUT once the request is fully sent. */
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

/** Writes `body` with backpressure, until its end or until an answer or a failure ends the request. */
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

/** A login that the proxy rejects is final; it is not a failed connection. */
function asRegistryFailure(error: Error): Error {
  if (!(error instanceof ProxyLoginError)) return error;
  return new RegistryUnavailableError('registry', error.message, { cause: error });
}

/** Loaded at its first use: an agent may use only plain registries. */
function https() {
  return process.getBuiltinModule('node:https');
}

function tls() {
  return process.getBuiltinModule('node:tls');
}

/** Returns Node's own authorities and, as in docker, those of the system. */
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
  // The permission to accept any certificate covers the registry, not the target of its redirect.
  return { ...request, url, headers, verifyCertificate: true };
}
