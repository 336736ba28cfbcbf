import type { Challenge } from '../../lib/http/parse-challenges.ts';
import { requestIdHint } from '../../lib/http/request-id.ts';
import type { RegistryCredentials } from './credentials/registry-credentials.ts';
import { connectionFailure, DistributionError, RegistryUnavailableError } from './errors.ts';
import type { HttpExchange } from './http-exchange.ts';
import { readBody } from './read-body.ts';
import { isLoopbackRegistry } from './registry-address.ts';
import { isTransientStatus, retryAfter, TransientError } from './retry.ts';

/** A registry's challenge, and the request that it answers. */
export interface AuthorizationRequest {
  readonly challenges: readonly Challenge[];
  readonly credentials: RegistryCredentials;
  /** Such as `repository:NAME:pull` (distribution, "Token Scope Documentation"). */
  readonly scopes: readonly string[];
  /** Whether to request an identity token too (distribution, "Requesting a Token"). */
  readonly offline: boolean;
  /** The registry's own URL, for messages and to keep secrets within TLS. */
  readonly url: URL;
  readonly method: string;
  readonly verifyCertificate: boolean;
  readonly signal: AbortSignal;
}

/** A value for the Authorization header. */
export interface Authorization {
  readonly header: string;
  /** End of its validity, on the clock of performance.now(). */
  readonly expiresAt: number;
  /** Given only if it was asked for. */
  readonly identityToken?: string;
}

const MAX_TOKEN_ANSWER = 1 << 20;
/** Lifetime of a token in seconds if its server does not state one (distribution, "Token Response Fields"). */
const DEFAULT_LIFETIME = 60;
/** Seconds before expiry at which a token is renewed. */
const MARGIN = 10;

/**
 * Answers a registry's challenge: Basic with the credentials, or Bearer with a token of the server that it names
 * (distribution, "Token Authentication"), an anonymous token without credentials. Throws RegistryUnavailableError
 * 'unauthorized' or 'registry', and TransientError if a retry may succeed.
 */
export async function authorize(
  exchange: Pick<HttpExchange, 'send' | 'client'>,
  request: AuthorizationRequest,
): Promise<Authorization> {
  const { challenges, credentials, url, method } = request;
  const where = `${method.charAt(0)}${method.slice(1).toLowerCase()} "${url.origin}${url.pathname}"`;
  if (credentials.registryToken) return forever(`Bearer ${credentials.registryToken}`);
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer !== undefined) return await fetchToken(exchange, request, bearer);
  if (challenges.some(({ scheme }) => scheme === 'basic')) {
    if (!credentials.username)
      throw new RegistryUnavailableError('unauthorized', `${where}: no basic auth credentials`);
    return forever(basic(credentials));
  }
  throw new RegistryUnavailableError(
    'unauthorized',
    `${where}: unauthorized: the registry offers neither Basic nor Bearer authentication`,
  );
}

function forever(header: string): Authorization {
  return { header, expiresAt: Number.POSITIVE_INFINITY };
}

function basic({ username = '', password = '' }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

async function fetchToken(
  exchange: Pick<HttpExchange, 'send' | 'client'>,
  request: AuthorizationRequest,
  challenge: Challenge,
): Promise<Authorization> {
  const { credentials, signal } = request;
  const realm = tokenUrl(challenge, request);
  const verifyCertificate = request.verifyCertificate || isTokenServerElsewhere(realm, request.url);
  const service = challenge.parameters.service ?? '';
  const parameters = new URLSearchParams({ service });
  const send = () => {
    if (credentials.identityToken) {
      if (request.scopes.length > 0) parameters.set('scope', request.scopes.join(' '));
      parameters.set('grant_type', 'refresh_token');
      parameters.set('client_id', exchange.client);
      parameters.set('refresh_token', credentials.identityToken);
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const body = parameters.toString();
      return exchange.send({ method: 'POST', url: realm, headers, body, verifyCertificate, signal });
    }
    for (const scope of request.scopes) parameters.append('scope', scope);
    if (request.offline) {
      parameters.set('offline_token', 'true');
      parameters.set('client_id', exchange.client);
    }
    for (const [name, value] of parameters) realm.searchParams.append(name, value);
    if (credentials.username) realm.searchParams.append('account', credentials.username);
    const headers = { ...(credentials.username ? { authorization: basic(credentials) } : {}) };
    return exchange.send({ method: 'GET', url: realm, headers, verifyCertificate, signal });
  };
  try {
    const response = await send();
    const { status, headers } = response;
    const body = await readBody(response, MAX_TOKEN_ANSWER, signal);
    if (!isTransientStatus(status)) return readToken(status, body?.toString('utf8') ?? '', realm);
    const hint = requestIdHint(status, headers, 'the token server');
    throw new TransientError(noToken(status, realm, hint), retryAfter(headers['retry-after'], Date.now()));
  } catch (error) {
    const isWorded = error instanceof DistributionError || error instanceof TransientError;
    if (signal.aborted || isWorded) throw error;
    throw new TransientError(connectionFailure(error, { method: 'GET', url: realm }));
  }
}

/**
 * Reports whether a registry on loopback names a token server on another machine. Loopback registries count as insecure
 * by default, but that says nothing about other machines. If the operator declared the registry insecure, so is its
 * token server, as in dockerd: a man in the middle could name another server anyway.
 */
function isTokenServerElsewhere(realm: URL, registry: URL): boolean {
  return isLoopbackRegistry(registry.host) && !isLoopbackRegistry(realm.host);
}

function tokenUrl(challenge: Challenge, request: AuthorizationRequest): URL {
  const realm = URL.parse(challenge.parameters.realm ?? '');
  if (realm === null || !/^https?:$/.test(realm.protocol)) {
    throw new RegistryUnavailableError(
      'registry',
      `${request.url.host} names no usable token server: its realm is "${(challenge.parameters.realm ?? '').slice(0, 200)}"`,
    );
  }
  const secret = request.credentials.password || request.credentials.identityToken;
  if (secret && realm.protocol === 'http:' && request.url.protocol === 'https:') {
    throw new RegistryUnavailableError(
      'registry',
      `${request.url.host} asks to send the password to ${realm.origin} without TLS, which is refused`,
    );
  }
  return realm;
}

function readToken(status: number, text: string, realm: URL): Authorization {
  let parsed: Readonly<Record<string, unknown>> = {};
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null) parsed = body as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (status === 401 || status === 403) {
    const details = typeof parsed.details === 'string' ? parsed.details : 'incorrect username or password';
    throw new RegistryUnavailableError(
      'unauthorized',
      `${tokenRequest(realm)}: unauthorized: ${details.slice(0, 500)}`,
    );
  }
  const token = parsed.token ?? parsed.access_token;
  if (status !== 200 || typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw noToken(status, realm);
  }
  const lifetime = typeof parsed.expires_in === 'number' ? parsed.expires_in : DEFAULT_LIFETIME;
  const { refresh_token: identityToken } = parsed;
  return {
    header: `Bearer ${token}`,
    expiresAt: performance.now() + Math.max(lifetime - MARGIN, 1) * 1000,
    ...(typeof identityToken === 'string' && identityToken !== '' && { identityToken }),
  };
}

function noToken(status: number, realm: URL, hint = ''): RegistryUnavailableError {
  return new RegistryUnavailableError(
    'registry',
    `${tokenRequest(realm)}: the token server answered ${status} without a token${hint}`,
  );
}

/** Describes the request for a token, in dockerd's words. */
function tokenRequest(realm: URL): string {
  return `Get "${realm.origin}${realm.pathname}"`;
}
