import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { authorize } from '../../../../oci/distribution/authorize.ts';
import type { RegistryCredentials } from '../../../../oci/distribution/credentials/registry-credentials.ts';
import { HttpExchange } from '../../../../oci/distribution/http-exchange.ts';
import { readBody } from '../../../../oci/distribution/read-body.ts';
import { RegistrySession } from '../../../../oci/distribution/registry-session.ts';
import { defer } from '../../../support/cleanup.ts';

describe('RegistrySession', () => {
  it('does not speak HTTP where HTTPS is demanded, and says what to do', async (t) => {
    const host = await listen(t, (_, response) => response.end('{}'));
    const session = open(t, { host, schemes: ['https'], verifyCertificate: true });
    await assert.rejects(session.get('/v2/', {}, t.signal), {
      name: 'DistributionError',
      code: 'registry',
      message: `Get "https://${host}/v2/": http: server gave HTTP response to HTTPS client (start the agent with --insecure-registry ${host} if this registry may be used without TLS)`,
    });
  });

  it('finds plain HTTP where that is allowed, once', async (t) => {
    const paths: (string | undefined)[] = [];
    const host = await listen(t, (request, response) => {
      paths.push(request.url);
      response.end('{}');
    });
    const session = open(t, { host, schemes: ['https', 'http'], verifyCertificate: false });
    for (let time = 0; time < 2; time++) {
      const response = await session.get('/v2/x/tags/list', {}, t.signal);
      assert.equal(response.status, 200);
      for await (const _ of response.body);
    }
    assert.deepEqual(paths, ['/v2/', '/v2/x/tags/list', '/v2/x/tags/list']);
  });

  it('goes to a repository that is open to all though the registry asks for a login', async (t) => {
    const host = await listen(t, (request, response) => {
      if (request.url === '/v2/') response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' });
      response.end('{}');
    });
    const session = open(t, { host, schemes: ['http'], verifyCertificate: true });
    assert.equal((await session.get('/v2/open/tags/list', {}, t.signal)).status, 200);
  });

  it('fails where an answer is none: another protocol, and a connection that is closed', async (t) => {
    for (const answer of [
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nx',
      '',
    ]) {
      const host = await listen(t, (request) => void request.socket.end(answer));
      const session = open(t, { host, schemes: ['http'], verifyCertificate: true });
      await assert.rejects(session.get('/v2/', {}, t.signal), { code: 'registry' });
    }
  });

  it('sends no password to a token server without TLS when the registry has it', async (t) => {
    const exchange = new HttpExchange();
    t.after(() => exchange.close());
    const request = {
      challenges: [{ scheme: 'bearer', parameters: { realm: 'http://127.0.0.1:1/token' } }],
      scopes: [],
      offline: false,
      url: new URL('https://registry.lan/v2/'),
      method: 'GET',
      verifyCertificate: true,
      signal: t.signal,
    };
    const credentials = { username: 'user', password: 'secret' };
    await assert.rejects(authorize(exchange, { ...request, credentials }), {
      code: 'registry',
      message: 'registry.lan asks to send the password to http://127.0.0.1:1 without TLS, which is refused',
    });
    await assert.rejects(authorize(exchange, { ...request, credentials: {} }), /connection refused/);
  });

  it('takes any certificate of a token server only as far as that has a reason', async (t) => {
    for (const [registry, realm, verifyCertificate, verifies] of [
      ['https://registry.lan', 'https://tokens.lan', true, true],
      ['https://127.0.0.1:5000', 'https://127.0.0.1:5001', false, false],
      ['http://localhost:5000', 'https://localhost:5001', false, false],
      // Nobody has declared this one insecure, and its challenge comes over no network.
      ['http://127.0.0.1:5000', 'https://tokens.lan', false, true],
      ['https://[::1]:5000', 'https://tokens.lan', false, true],
      // The operator has: whoever stands between could name another token server as well. As dockerd does it.
      ['https://registry.lan', 'https://tokens.lan', false, false],
    ] as const) {
      const seen: boolean[] = [];
      const exchange: Pick<HttpExchange, 'send' | 'client'> = {
        client: 'test',
        send: async (request) => {
          seen.push(request.verifyCertificate);
          throw new Error('nothing is sent');
        },
      };
      const asked = authorize(exchange, {
        challenges: [{ scheme: 'bearer', parameters: { realm: `${realm}/token` } }],
        credentials: {},
        scopes: [],
        offline: false,
        url: new URL(`${registry}/v2/`),
        method: 'GET',
        verifyCertificate,
        signal: t.signal,
      });
      await assert.rejects(asked, { name: 'TransientError' });
      assert.deepEqual(seen, [verifies], `${registry} ${realm}`);
    }
  });

  it('asks for a token with an identity token by POST', async (t) => {
    let seen = '';
    const tokens = await listen(t, (request, response) => {
      request.on('data', (chunk: Buffer) => {
        seen += chunk.toString('utf8');
      });
      request.on('end', () => response.end(JSON.stringify({ access_token: 'abc' })));
    });
    const host = await listen(t, (request, response) => {
      if (request.headers.authorization === 'Bearer abc') response.end('{}');
      else {
        response
          .writeHead(401, { 'www-authenticate': `Bearer realm="http://${tokens}/t",service="s"` })
          .end();
      }
    });
    const session = open(
      t,
      { host, schemes: ['http'], verifyCertificate: true },
      { identityToken: 'refresh' },
    );
    assert.equal((await session.get('/v2/', {}, t.signal)).status, 200);
    const sent = new URLSearchParams(seen);
    assert.equal(sent.get('grant_type'), 'refresh_token');
    assert.equal(sent.get('refresh_token'), 'refresh');
  });

  it('gets a new token before the old one ends, and when it has ended early', async (t) => {
    let given = 0;
    let refused = '';
    const tokens = await listen(t, (_, response) => {
      given++;
      response.end(JSON.stringify({ token: `t${given}`, expires_in: given === 1 ? 11 : 600 }));
    });
    const host = await listen(t, (request, response) => {
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
      if (token !== undefined && token !== refused) return response.end(token);
      return response
        .writeHead(401, { 'www-authenticate': `Bearer realm="http://${tokens}/t",service="s"` })
        .end();
    });
    const session = open(t, { host, schemes: ['http'], verifyCertificate: true });
    const ask = async () =>
      (await readBody(await session.get('/v2/x', {}, t.signal), 100, t.signal))?.toString();
    assert.equal(await ask(), 't1');
    const later = performance.now() + 5000;
    t.mock.method(performance, 'now', () => later);
    assert.equal(await ask(), 't2', 'a token of 11 seconds is not used in its last ten');
    refused = 't2';
    assert.match((await ask()) ?? '', /^t3$/);
  });

  it('fetches one token for requests that are refused together, and one for each scope', async (t) => {
    const scopes: (string | null)[] = [];
    const tokens = await listen(t, (request, response) => {
      scopes.push(new URL(request.url ?? '', 'http://x').searchParams.get('scope'));
      response.end(JSON.stringify({ token: `t${scopes.length}` }));
    });
    let refused = '';
    const host = await listen(t, (request, response) => {
      const { authorization = refused } = request.headers;
      if (authorization !== refused) return response.end('{}');
      const challenge = `Bearer realm="http://${tokens}/t",service="s"`;
      return response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
    const session = open(t, { host, schemes: ['http'], verifyCertificate: true });
    const ask = async (of: RegistrySession) => {
      const response = await of.get('/v2/x', {}, t.signal);
      response.body.destroy();
      return response.status;
    };
    assert.equal(await ask(session), 200);
    refused = 'Bearer t1';
    assert.deepEqual(await Promise.all([ask(session), ask(session), ask(session)]), [200, 200, 200]);
    assert.equal(await ask(session.withScopes(['registry:catalog:*'])), 200);
    assert.deepEqual(scopes, ['repository:a:pull', 'repository:a:pull', 'registry:catalog:*']);
  });

  it('leaves it to a retry when the token server is busy, also at the first request', async (t) => {
    let asked = 0;
    const tokens = await listen(t, (_, response) => {
      asked += 1;
      if (asked === 1) response.writeHead(503, { 'retry-after': '1' }).end();
      else response.end('{"token":"x"}');
    });
    const host = await listen(t, (request, response) => {
      if (request.headers.authorization !== undefined) return response.end('{}');
      const challenge = `Bearer realm="http://${tokens}/t",service="s"`;
      return response.writeHead(401, { 'www-authenticate': challenge }).end();
    });
    const session = open(t, { host, schemes: ['http'], verifyCertificate: true });
    await assert.rejects(session.get('/v2/x', {}, t.signal), { name: 'TransientError', after: 1000 });
    assert.equal((await session.get('/v2/x', {}, t.signal)).status, 200);
  });

  it('sends a body again after a login, and credentials to no other origin', async (t) => {
    const seen: string[] = [];
    const collect =
      (name: string): RequestListener =>
      async (request, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk);
        seen.push(`${name} ${request.headers.authorization ?? '-'} ${Buffer.concat(chunks)}`);
        if (request.headers.authorization !== undefined || name === 'other')
          return response.writeHead(202).end();
        return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      };
    const other = await listen(t, collect('other'));
    const host = await listen(t, (request, response) => {
      if (request.url === '/v2/') response.end();
      else collect('own')(request, response);
    });
    const session = open(
      t,
      { host, schemes: ['http'], verifyCertificate: true },
      { username: 'a', password: 'b' },
    );
    const body = async function* () {
      yield Buffer.from('con');
      yield Buffer.from('tent');
    };
    const headers = { 'content-length': '7' };
    await session.send({ method: 'PATCH', target: '/v2/x', headers, body }, t.signal);
    await session.send({ method: 'PATCH', target: new URL(`http://${other}/up`), headers, body }, t.signal);
    assert.deepEqual(seen, ['own - content', 'own Basic YTpi content', 'other - content']);
  });

  it('stops when it is aborted', async (t) => {
    const controller = new AbortController();
    const host = await listen(t, () => controller.abort(new Error('no longer wanted')));
    const session = open(t, { host, schemes: ['http'], verifyCertificate: true });
    await assert.rejects(session.get('/v2/', {}, controller.signal), /no longer wanted/);
  });
});

function open(
  t: TestContext,
  address: ConstructorParameters<typeof RegistrySession>[0]['address'],
  credentials: RegistryCredentials = {},
): RegistrySession {
  const exchange = new HttpExchange();
  t.after(() => exchange.close());
  return new RegistrySession({
    exchange,
    address,
    credentials: async () => credentials,
    scopes: ['repository:a:pull'],
  });
}

async function listen(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(t, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
