import type { Challenge } from '../../lib/http/parse-challenges.ts';
import type { RegistryCredentials } from './credentials/registry-credentials.ts';
import { DistributionError } from './errors.ts';
import type { HttpExchange } from './http-exchange.ts';
import { readBody } from './read-body.ts';
import { isLoopbackRegistry } from './registry-address.ts';
import { connectionFailure } from './registry-error.ts';

/** What an authorization is asked for. */
export interface AuthorizationRequest {
  readonly challenges: readonly Challenge[];
  readonly credentials: RegistryCredentials;
  /** `repository:NAME:pull` and their like (distribution, token scope). */
  readonly scopes: readonly string[];
  /** Whether an identity token is asked for as well (Docker token protocol, "Requesting a Token"). */
  readonly offline: boolean;
  /** The registry's own URL, for messages and for what its scheme promises. */
  readonly url: URL;
  readonly method: string;
  readonly verifyCertificate: boolean;
  readonly signal: AbortSignal;
}

/** A value for the Authorization header. */
export interface Authorization {
  readonly header: string;
  /** On the clock of performance.now(); not used from then on. */
  readonly expiresAt: number;
  /** Where one was asked for and given. */
  readonly identityToken?: string;
}

const MAX_TOKEN_ANSWER = 1 << 20;
/** distribution, "Token Response Fields": what holds where the server does not say. */
const DEFAULT_LIFETIME = 60;
/** What this program says it is. */
const CLIENT = 'berth-agent';
/** Seconds before its end from which on a token is renewed. */
const MARGIN = 10;

/**
 * Answers a registry's challenge: Basic with the credentials, Bearer with a token from the server it names
 * (distribution-spec, "token authentication"), anonymous where there are no credentials. Throws DistributionError 'unauthorized' or 'registry'.
 */
export async function authorize(
  exchange: Pick<HttpExchange, 'send'>,
  request: AuthorizationRequest,
): Promise<Authorization> {
  const { challenges, credentials, url, method } = request;
  const where = `${method.charAt(0)}${method.slice(1).toLowerCase()} "${url.origin}${url.pathname}"`;
  if (credentials.registryToken) return forever(`Bearer ${credentials.registryToken}`);
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer !== undefined) return await fetchToken(exchange, request, bearer);
  if (challenges.some(({ scheme }) => scheme === 'basic')) {
    if (!credentials.username)
      throw new DistributionError('unauthorized', `${where}: no basic auth credentials`);
    return forever(basic(credentials));
  }
  throw new DistributionError(
    'unauthorized',
    `${where}: unauthorized: the registry names no way to log in that is known`,
  );
}

function forever(header: string): Authorization {
  return { header, expiresAt: Number.POSITIVE_INFINITY };
}

function basic({ username = '', password = '' }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

async function fetchToken(
  exchange: Pick<HttpExchange, 'send'>,
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
      parameters.set('client_id', CLIENT);
      parameters.set('refresh_token', credentials.identityToken);
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const body = parameters.toString();
      return exchange.send({ method: 'POST', url: realm, headers, body, verifyCertificate, signal });
    }
    for (const scope of request.scopes) parameters.append('scope', scope);
    if (request.offline) {
      parameters.set('offline_token', 'true');
      parameters.set('client_id', CLIENT);
    }
    for (const [name, value] of parameters) realm.searchParams.append(name, value);
    if (credentials.username) realm.searchParams.append('account', credentials.username);
    const headers = { ...(credentials.username ? { authorization: basic(credentials) } : {}) };
    return exchange.send({ method: 'GET', url: realm, headers, verifyCertificate, signal });
  };
  let answer: { readonly status: number; readonly body: string };
  try {
    const response = await send();
    const body = await readBody(response, MAX_TOKEN_ANSWER, signal);
    answer = { status: response.status, body: body?.toString('utf8') ?? '' };
  } catch (error) {
    if (signal.aborted || error instanceof DistributionError) throw error;
    throw connectionFailure(error, { method: 'GET', url: realm });
  }
  return readToken(answer, realm);
}

/**
 * Whether a registry on this machine's loopback names a token server that is not. Any registry there counts as insecure,
 * which nobody has decided about a token server; where an operator has named a registry insecure, its token server is too, as with
 * dockerd: an attacker in between could name another one.
 */
function isTokenServerElsewhere(realm: URL, registry: URL): boolean {
  return isLoopbackRegistry(registry.host) && !isLoopbackRegistry(realm.host);
}

function tokenUrl(challenge: Challenge, request: AuthorizationRequest): URL {
  const realm = URL.parse(challenge.parameters.realm ?? '');
  if (realm === null || !/^https?:$/.test(realm.protocol)) {
    throw new DistributionError(
      'registry',
      `${request.url.host} names no usable token server: the realm is "${(challenge.parameters.realm ?? '').slice(0, 200)}"`,
    );
  }
  const secret = request.credentials.password || request.credentials.identityToken;
  if (secret && realm.protocol === 'http:' && request.url.protocol === 'https:') {
    throw new DistributionError(
      'registry',
      `${request.url.host} asks to send the password to ${realm.origin} without TLS, which is refused`,
    );
  }
  return realm;
}

function readToken(answer: { readonly status: number; readonly body: string }, realm: URL): Authorization {
  const where = `Get "${realm.origin}${realm.pathname}"`;
  let parsed: Readonly<Record<string, unknown>> = {};
  try {
    const body: unknown = JSON.parse(answer.body);
    if (typeof body === 'object' && body !== null) parsed = body as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (answer.status === 401 || answer.status === 403) {
    const details = typeof parsed.details === 'string' ? parsed.details : 'incorrect username or password';
    throw new DistributionError('unauthorized', `${where}: unauthorized: ${details.slice(0, 500)}`);
  }
  const token = parsed.token ?? parsed.access_token;
  if (answer.status !== 200 || typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new DistributionError(
      'registry',
      `${where}: the token server answered ${answer.status} without a token`,
    );
  }
  const lifetime = typeof parsed.expires_in === 'number' ? parsed.expires_in : DEFAULT_LIFETIME;
  const { refresh_token: identityToken } = parsed;
  return {
    header: `Bearer ${token}`,
    expiresAt: performance.now() + Math.max(lifetime - MARGIN, 1) * 1000,
    ...(typeof identityToken === 'string' && identityToken !== '' && { identityToken }),
  };
}
