import {
  AuthorizationResponseError,
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type ClientAuth,
  ClientError,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  ResponseBodyError,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client';
import { boundedFetch } from '../../lib/http/bounded-fetch.ts';
import { hashSecret } from '../credentials/secret.ts';
import { LoginRefusedError, ProviderUnreachableError } from '../errors.ts';
import type { PersonClaims } from './account-for.ts';
import type { Provider } from './provider.ts';

/** Seconds. */
const TIMEOUT = 5;
/** Maximum bytes of documents, keys, tokens and claims; a person may be in hundreds of groups. */
const LARGEST_ANSWER = 1024 * 1024;
/** Milliseconds for which the end points of a provider are cached. */
const REMEMBERED = 10 * 60 * 1000;
const MOST_PROVIDERS = 100;
const SCOPES = ['openid', 'profile', 'email', 'groups'];
const USUAL_SCOPES = ['openid', 'profile', 'email'];

/** Values that a browser must present when it returns from the provider; secrets of that browser. */
export interface LoginChecks {
  readonly state: string;
  readonly nonce: string;
  /** The PKCE code verifier (RFC 7636). */
  readonly verifier: string;
}

/**
 * Logs people in at providers by authorization code with PKCE, state and nonce (OpenID Connect Core, section 3.1). It
 * also verifies the ID token's signature. Its errors quote nothing that was sent or received, since that may be secret.
 */
export class ProviderClient {
  readonly #found = new Map<
    string,
    { readonly at: number; readonly configuration: Promise<Configuration> }
  >();

  /** Returns the URL for the browser; the provider redirects back to `redirectUri`. Throws ProviderUnreachableError. */
  async begin(provider: Provider, redirectUri: string): Promise<{ url: URL; checks: LoginChecks }> {
    return explained(provider, async () => {
      const configuration = await this.#configurationOf(provider);
      const checks = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() };
      const offered = configuration.serverMetadata().scopes_supported;
      const scopes = offered === undefined ? USUAL_SCOPES : SCOPES.filter((scope) => offered.includes(scope));
      const url = buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: scopes.join(' '),
        state: checks.state,
        nonce: checks.nonce,
        code_challenge: await calculatePKCECodeChallenge(checks.verifier),
        code_challenge_method: 'S256',
      });
      return { url, checks };
    });
  }

  /**
   * Returns the provider's claims about the person who logged in; `callback` is `redirectUri` with the returned query.
   * Throws LoginRefusedError, ProviderUnreachableError.
   */
  async finish(
    provider: Provider,
    callback: URL,
    { state, nonce, verifier }: LoginChecks,
  ): Promise<PersonClaims> {
    return explained(provider, async () => {
      const configuration = await this.#configurationOf(provider);
      const tokens = await authorizationCodeGrant(configuration, callback, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (claims === undefined) throw new LoginRefusedError('the identity provider gave no ID token');
      const { nameClaim, groupsClaim } = provider;
      const wanted = [nameClaim, groupsClaim, ...(nameClaim === 'email' ? ['email_verified'] : [])];
      const complete = wanted.every((claim) => Object.hasOwn(claims, claim));
      if (complete || configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
      return { ...(await fetchUserInfo(configuration, tokens.access_token, claims.sub)), ...claims };
    });
  }

  #configurationOf(provider: Provider): Promise<Configuration> {
    const key = [provider.issuer, provider.clientId, hashSecret(provider.clientSecret)].join(' ');
    const known = this.#found.get(key);
    if (known !== undefined && performance.now() - known.at < REMEMBERED) return known.configuration;
    const configuration = discover(provider);
    if (this.#found.size >= MOST_PROVIDERS) this.#found.clear();
    this.#found.set(key, { at: performance.now(), configuration });
    configuration.catch(() => this.#found.delete(key));
    return configuration;
  }
}

function discover({ issuer, clientId, clientSecret }: Provider): Promise<Configuration> {
  const server = new URL(issuer);
  const plain = server.protocol === 'http:' ? [allowInsecureRequests] : [];
  return discovery(server, clientId, undefined, clientAuthentication(clientSecret), {
    timeout: TIMEOUT,
    [customFetch]: boundedFetch(LARGEST_ANSWER),
    execute: [enableNonRepudiationChecks, ...plain],
  });
}

/** The default method of OpenID Connect, or the other one if the provider offers only that. */
function clientAuthentication(secret: string): ClientAuth {
  const [basic, post] = [ClientSecretBasic(secret), ClientSecretPost(secret)];
  return (server, client, body, headers) => {
    const offered = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return (offered.includes('client_secret_basic') ? basic : post)(server, client, body, headers);
  };
}

async function explained<Result>({ name }: Provider, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LoginRefusedError) throw error;
    if (error instanceof AuthorizationResponseError) {
      const denied = error.error === 'access_denied';
      throw new LoginRefusedError(
        denied
          ? `you were not let in by ${name}`
          : `the identity provider ${name} refused the login (${shown(error.error)}): start again`,
      );
    }
    if (error instanceof ResponseBodyError) {
      if (error.error === 'invalid_grant') {
        throw new LoginRefusedError('this login was already used or has expired: start again');
      }
      throw new ProviderUnreachableError(
        `the identity provider ${name} refuses this registry (${shown(error.error)}): tell an administrator`,
      );
    }
    if (error instanceof ClientError && !isOutage(error)) {
      throw new LoginRefusedError(
        `the answer of ${name} does not belong to this login (${error.message}): start again`,
      );
    }
    throw new ProviderUnreachableError(`the identity provider ${name} cannot be reached: try again soon`, {
      cause: new Error((error as Error).message),
    });
  }
}

/** Reports whether the provider did not answer, or not as a provider; an error without a code is a network failure. */
function isOutage({ code }: ClientError): boolean {
  return (
    code === undefined ||
    ['OAUTH_TIMEOUT', 'OAUTH_ABORT', 'OAUTH_RESPONSE_IS_NOT_CONFORM', 'OAUTH_RESPONSE_IS_NOT_JSON'].includes(
      code,
    )
  );
}

function shown(text: string): string {
  return text.replace(/[^\w.-]/g, '').slice(0, 60);
}
