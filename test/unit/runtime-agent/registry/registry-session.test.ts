import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { authorize } from '../../../../runtime-agent/registry/authorize.ts';
import { HttpExchange } from '../../../../runtime-agent/registry/http-exchange.ts';
import { RegistrySession } from '../../../../runtime-agent/registry/registry-session.ts';
import { defer } from '../../../support/cleanup.ts';

describe('RegistrySession', () => {
  it('does not speak HTTP where HTTPS is demanded, and says what to do', async (t) => {
    const host = await listen(t, (_, response) => response.end('{}'));
    const session = open(t, { host, schemes: ['https'], verifyCertificate: true });
    await assert.rejects(session.get('/v2/', {}, t.signal), {
      name: 'EngineError',
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
      response.body.resume();
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

  it('sends no password to a token server without TLS when the registry has it', async (t) => {
    const exchange = new HttpExchange();
    t.after(() => exchange.close());
    const request = {
      challenges: [{ scheme: 'bearer', parameters: { realm: 'http://127.0.0.1:1/token' } }],
      scopes: [],
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
  credentials: ConstructorParameters<typeof RegistrySession>[0]['credentials'] = {},
): RegistrySession {
  const exchange = new HttpExchange();
  t.after(() => exchange.close());
  return new RegistrySession({ exchange, address, credentials, scopes: ['repository:a:pull'] });
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
