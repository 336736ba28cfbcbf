import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, describe, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { ProviderClient } from '../../auth/providers/provider-client.ts';
import { defer } from '../support/cleanup.ts';
import { sendWithoutEnd } from '../support/endless-answer.ts';
import { CLIENT } from '../support/people-provider.ts';

/** A provider that answers what a test wants it to. */
describe('what providers answer', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k', use: 'sig', alg: 'ES256' };
  let idToken: string | undefined;
  let status = 200;
  let endless = '';
  let sent = () => 0;
  const server = createServer((req, res) => {
    const paths: Readonly<Record<string, () => object>> = {
      '/.well-known/openid-configuration': () => ({
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        id_token_signing_alg_values_supported: ['ES256', 'none', 'HS256'],
      }),
      '/jwks': () => ({ keys: [jwk] }),
      '/token': () => ({ access_token: 'x', token_type: 'bearer', id_token: idToken }),
    };
    const answer = paths[req.url ?? ''];
    if (req.url === endless) {
      sent = sendWithoutEnd(res.writeHead(200, { 'Content-Type': 'application/json' }));
      return;
    }
    res.writeHead(answer === undefined ? 404 : status, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(answer?.() ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  defer(
    { after },
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const address = server.address();
  const issuer = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const provider = {
    name: 'work',
    issuer,
    ...CLIENT,
    nameClaim: 'preferred_username',
    groupsClaim: 'groups',
    groups: {},
  };
  const client = new ProviderClient();
  const callback = `${issuer}/callback`;
  const { url, checks } = await client.begin(provider, callback);
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer,
    aud: CLIENT.clientId,
    sub: 's',
    iat: now,
    exp: now + 3600,
    nonce: checks.nonce,
  };
  const sign = (payload: object) =>
    new SignJWT({ ...payload }).setProtectedHeader({ alg: 'ES256', kid: 'k' }).sign(privateKey);
  const finish = () => client.finish(provider, new URL(`${callback}?code=c&state=${checks.state}`), checks);

  test('the browser is sent with PKCE, state and nonce', () => {
    const { code_challenge_method, response_type, state, nonce, redirect_uri, code_challenge } =
      Object.fromEntries(url.searchParams);
    assert.deepEqual(
      { code_challenge_method, response_type, state, nonce, redirect_uri },
      {
        code_challenge_method: 'S256',
        response_type: 'code',
        state: checks.state,
        nonce: checks.nonce,
        redirect_uri: callback,
      },
    );
    assert.notEqual(code_challenge, checks.verifier);
  });

  test('a token that is as it must be counts', async () => {
    idToken = await sign({ ...claims, preferred_username: 'ada' });
    assert.equal((await finish()).preferred_username, 'ada');
  });

  test('no other token does', async () => {
    const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const other = await generateKeyPair('ES256');
    const shared = new TextEncoder().encode(CLIENT.clientSecret.padEnd(32, 'x'));
    const wrong: Readonly<Record<string, string | undefined>> = {
      'without a signature': `${base64({ alg: 'none' })}.${base64(claims)}.`,
      'signed with the secret': await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(shared),
      'signed with another key': await new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .sign(other.privateKey),
      'of another issuer': await sign({ ...claims, iss: 'https://other.example' }),
      'for another client': await sign({ ...claims, aud: 'other' }),
      expired: await sign({ ...claims, iat: now - 7200, exp: now - 3600 }),
      'without an end': await sign({ ...claims, exp: undefined }),
      'with another nonce': await sign({ ...claims, nonce: 'other' }),
      'without a nonce': await sign({ ...claims, nonce: undefined }),
      'without a subject': await sign({ ...claims, sub: undefined }),
      'not a token': 'x',
      'not there': undefined,
    };
    for (const [what, token] of Object.entries(wrong)) {
      idToken = token;
      await assert.rejects(finish(), { code: 'LOGIN_REFUSED' }, what);
    }
  });

  test('a provider that fails is not the fault of the person', async () => {
    idToken = await sign(claims);
    status = 502;
    await assert.rejects(finish(), { code: 'PROVIDER_UNREACHABLE' });
    status = 200;
    await finish();
  });

  test('an answer that never ends is not read to its end', async () => {
    idToken = await sign(claims);
    for (const path of ['/.well-known/openid-configuration', '/token', '/jwks']) {
      endless = '';
      // It does not know the keys yet.
      const fresh = new ProviderClient();
      if (path !== '/.well-known/openid-configuration') await fresh.begin(provider, callback);
      endless = path;
      const answer = fresh.finish(provider, new URL(`${callback}?code=c&state=${checks.state}`), checks);
      await assert.rejects(answer, { code: 'PROVIDER_UNREACHABLE' }, path);
      assert.ok(sent() < 32 * 1024 * 1024, `${path}: ${sent()} bytes`);
    }
    endless = '';
  });
});
