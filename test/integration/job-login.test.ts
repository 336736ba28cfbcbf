import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { after, describe, test } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import { allowsScope } from '../../auth/access/rights.ts';
import { repositoryScope } from '../../auth/access/scope.ts';
import { parseAccountName } from '../../auth/accounts/names.ts';
import { JobLogin } from '../../auth/jobs/job-login.ts';
import type { JobRule, JobRuleStore } from '../../auth/jobs/job-rule.ts';
import { sendWithoutEnd } from '../support/endless-answer.ts';
import { startIdentityProvider } from '../support/identity-provider.ts';

const AUDIENCE = 'https://registry.example';

describe('tokens of jobs', async () => {
  const provider = await startIdentityProvider({ after });
  const rules: JobRule[] = [
    {
      name: 'app',
      issuer: provider.issuer,
      audience: AUDIENCE,
      claims: { repository: 'team/app', ref: 'refs/heads/*' },
      role: 'writer',
      pattern: 'team/app',
    },
    {
      name: 'all-of-team',
      issuer: provider.issuer,
      audience: AUDIENCE,
      claims: { repository_owner: 'team' },
      role: 'reader',
      pattern: 'team/*',
    },
  ];
  const store: JobRuleStore = {
    list: async (issuer) => rules.filter((rule) => issuer === undefined || rule.issuer === issuer),
    create: async () => undefined,
    remove: async () => false,
  };
  const login = new JobLogin(store);
  const claims = {
    sub: 'repo:team/app:ref:refs/heads/main',
    aud: AUDIENCE,
    repository: 'team/app',
    repository_owner: 'team',
    ref: 'refs/heads/main',
  };
  const present = (password: string) => login.logIn({ user: 'anything', password });
  const refused = (token: string, message: RegExp) =>
    assert.rejects(present(token), { code: 'CREDENTIALS_INVALID', message });

  test('a job has the roles of the rules that it matches, until its token ends', async () => {
    const identity = await present(await provider.jobToken(claims));
    assert.ok(identity?.kind === 'job');
    assert.equal(identity.name, `job:app:${claims.sub}`);
    assert.ok((identity.until ?? 0) > Date.now());
    const may = (name: string, ...actions: ('pull' | 'push' | 'delete')[]) =>
      actions.every((action) => allowsScope(identity.rights, repositoryScope(name, action)));
    assert.equal(may('team/app', 'pull', 'push'), true);
    assert.equal(may('team/app', 'delete'), false);
    assert.equal(may('team/other', 'pull'), true);
    assert.equal(may('team/other', 'push'), false);
    assert.equal(may('other/app', 'pull'), false);
  });

  test('a job is never called as an account, whatever its issuer says', async () => {
    for (const [sub, name] of [
      ['admin', 'job:app:admin'],
      ['', 'job:app'],
      [undefined, 'job:app'],
    ] as const) {
      const identity = await present(await provider.jobToken({ ...claims, sub }));
      assert.ok(identity?.kind === 'job');
      assert.equal(identity.name, name);
      assert.throws(() => parseAccountName(identity.name));
    }
  });

  test('what matches no rule is refused', async () => {
    await refused(
      await provider.jobToken({ ...claims, repository: 'team/apple', repository_owner: 'x' }),
      /no rule matches/,
    );
    await refused(
      await provider.jobToken({ ...claims, ref: 'refs/tags/v1', repository_owner: 'x' }),
      /no rule matches/,
    );
    await refused(await provider.jobToken({ aud: AUDIENCE, sub: 'x' }), /no rule matches/);
    await refused(
      await provider.jobToken({ ...claims, repository: ['team/app'], repository_owner: { team: 1 } }),
      /no rule matches/,
    );
  });

  test('tokens that do not count are refused', async () => {
    const past = Math.floor(Date.now() / 1000) - 3600;
    await refused(await provider.jobToken({ ...claims, exp: past }), /expired/);
    await refused(await provider.jobToken({ ...claims, nbf: past + 7200 }), /claim nbf/);
    await refused(await provider.jobToken({ ...claims, aud: 'https://other.example' }), /claim aud/);
    await refused(await provider.jobToken({ ...claims, exp: undefined }), /claim exp/);
    await refused(
      await provider.jobToken({ ...claims, iss: 'https://other.example' }),
      /no rule trusts the issuer/,
    );
    const { privateKey } = await generateKeyPair('RS256');
    const forged = await new SignJWT({ ...claims, iss: provider.issuer, exp: past + 7200 })
      .setProtectedHeader({ alg: 'RS256', kid: 'test' })
      .sign(privateKey);
    await refused(forged, /not signed by its issuer/);
    const [, payload] = forged.split('.');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    await refused(none, /not signed by its issuer/);
    const secret = new TextEncoder().encode('x'.repeat(32));
    const symmetric = await new SignJWT({ ...claims, iss: provider.issuer, exp: past + 7200 })
      .setProtectedHeader({ alg: 'HS256', kid: 'test' })
      .sign(secret);
    await refused(symmetric, /not signed by its issuer/);
  });

  test('passwords that are no tokens are left to others', async () => {
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const issuers = [{ a: 1 }, [provider.issuer], [], 5, true, null];
    const tokens = issuers.map((iss) => `${encoded({ alg: 'RS256' })}.${encoded({ ...claims, iss })}.AAAA`);
    for (const password of ['', 'secret', 'a.b.c', 'a.b', `${'x'.repeat(9)}.e30.y`, ...tokens]) {
      assert.equal(await present(password), undefined, password);
    }
  });

  test('a provider that is down is not the fault of the job', async () => {
    const other = await startIdentityProvider({ after });
    rules.push({ ...(rules[0] as JobRule), name: 'down', issuer: other.issuer });
    const token = await other.jobToken(claims);
    await other.close();
    await assert.rejects(present(token), { code: 'PROVIDER_UNREACHABLE', message: /try again soon/ });
    assert.ok(await present(await provider.jobToken(claims)));
  });

  test('an issuer is asked once, however many name it, and not again at once after it has failed', async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      response.writeHead(500).end();
    });
    const issuer = await listen(server);
    rules.push({ ...(rules[0] as JobRule), name: 'failing', issuer });
    const token = await provider.jobToken({ ...claims, iss: issuer });
    const many = await Promise.allSettled(Array.from({ length: 100 }, () => present(token)));
    assert.deepEqual(new Set(many.map(({ status }) => status)), new Set(['rejected']));
    await assert.rejects(present(token), { code: 'PROVIDER_UNREACHABLE' });
    assert.equal(asked, 1);
  });

  test('a set of keys that never ends, or is none, is the fault of the provider', async () => {
    let sent = () => 0;
    const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
      endless: (response) => {
        sent = sendWithoutEnd(response);
      },
      down: (response) => response.writeHead(503).end(),
      moved: (response) => response.writeHead(302, { Location: provider.issuer }).end(),
      page: (response) => response.end('<html>'),
      list: (response) => response.end('[]'),
    };
    for (const [name, answer] of Object.entries(answers)) {
      const server = createServer((request, response) => {
        if (request.url !== '/keys') response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
        else answer(response);
      });
      const issuer = await listen(server);
      rules.push({ ...(rules[0] as JobRule), name, issuer });
      const token = await provider.jobToken({ ...claims, iss: issuer });
      await assert.rejects(present(token), { code: 'PROVIDER_UNREACHABLE' }, name);
    }
    assert.ok(sent() < 32 * 1024 * 1024, `${sent()} bytes`);
  });
});

/** Listens on a free port of 127.0.0.1 until the end of this file. Returns the server's URL. */
async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}
