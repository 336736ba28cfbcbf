import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Configuration, Provider } from 'oidc-provider';
import { type CleanupScope, defer } from './cleanup.ts';

/** An OpenID Connect provider of this process, with a key whose tokens it vouches for. */
export interface IdentityProvider {
  /** `http://127.0.0.1:PORT`. */
  readonly issuer: string;
  /** A token such as a CI system gives its jobs, for an hour; `claims` may replace any of its claims. */
  jobToken(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** As when its machine is down. */
  close(): Promise<void>;
}

/** Starts oidc-provider on a free port of 127.0.0.1. */
export async function startIdentityProvider(
  scope: CleanupScope,
  configuration: Configuration = {},
): Promise<IdentityProvider> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  const issuer = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: 'test', use: 'sig', alg: 'RS256' };
  const provider = new Provider(issuer, { jwks: { keys: [key] }, ...configuration });
  server.on('request', provider.callback());
  const close = async () => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  defer(scope, close);
  return {
    issuer,
    close,
    jobToken: (claims) => {
      const now = Math.floor(Date.now() / 1000);
      return new SignJWT({ iss: issuer, iat: now, nbf: now, exp: now + 3600, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'test' })
        .sign(privateKey);
    },
  };
}
