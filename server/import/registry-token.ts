import { readJsonAtMost } from '../../lib/streams/read-at-most.ts';
import { isJsonObject } from '../../oci/json-object.ts';
import { SourceUnavailableError } from '../../storage/import/import-source.ts';

/** Bytes of a token server's answer. */
const LARGEST_ANSWER = 1 << 20;

export type RegistryCredentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** What `docker login` keeps in place of a password. */
  | { readonly kind: 'refresh-token'; readonly token: string };

export interface TokenRequest {
  readonly registry: URL;
  /** Of the challenge. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly scope: string;
  readonly credentials: RegistryCredentials | undefined;
  readonly signal: AbortSignal;
}

/**
 * Fetches a token (distribution, "Requesting a Token"; with a refresh token by OAuth2) and answers the value of the
 * Authorization header. Throws SourceUnavailableError when it is refused.
 */
export async function fetchToken(request: TokenRequest): Promise<string> {
  const { parameters, scope, credentials, signal } = request;
  const realm = realmOf(request);
  const query = new URLSearchParams({ scope });
  if (parameters.service !== undefined) query.set('service', parameters.service);
  if (credentials?.kind === 'refresh-token') {
    query.set('grant_type', 'refresh_token');
    query.set('refresh_token', credentials.token);
    query.set('client_id', 'berth-import');
    // A redirect would take the refresh token elsewhere: fetch leaves out headers then, and no body.
    return readToken(await fetch(realm, { method: 'POST', body: query, redirect: 'manual', signal }), realm);
  }
  for (const [name, value] of query) realm.searchParams.append(name, value);
  const headers = credentials === undefined ? {} : { authorization: basicAuthorization(credentials) };
  return readToken(await fetch(realm, { headers, signal }), realm);
}

function realmOf({ registry, parameters, credentials }: TokenRequest): URL {
  const realm = URL.parse(parameters.realm ?? '');
  if (realm === null || !/^https?:$/.test(realm.protocol)) {
    throw new SourceUnavailableError(`${registry.host} names no usable token server`);
  }
  if (credentials !== undefined && realm.protocol === 'http:' && registry.protocol === 'https:') {
    throw new SourceUnavailableError(
      `${registry.host} wants the password to be sent to ${realm.origin} without TLS, which is not done`,
    );
  }
  return realm;
}

async function readToken(response: Response, realm: URL): Promise<string> {
  if (response.status >= 500 || response.status === 429)
    throw new Error(`${realm.host} answered ${response.status}`);
  const body = await readJsonAtMost(response, LARGEST_ANSWER).catch(() => undefined);
  const token = isJsonObject(body) ? (body.token ?? body.access_token) : undefined;
  if (response.ok && typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return `Bearer ${token}`;
  throw new SourceUnavailableError(
    `${realm.host} gives no token (status ${response.status}): look at the login`,
  );
}

export function basicAuthorization({
  user,
  password,
}: {
  readonly user: string;
  readonly password: string;
}): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
