import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTrustedProxies } from '../../server/http/forwarded.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

test('below a path prefix the whole API works, and every path in an answer leads back to it', async (t) => {
  const registry = await startInProcessRegistry(t, { pathPrefix: '/team/registry' });
  const base = '/team/registry/v2';
  const ping = await registry.send('GET', `${base}/`);
  assert.equal(ping.status, 200);
  assert.equal(ping.headers['docker-distribution-api-version'], 'registry/2.0');

  const begun = await registry.send('POST', `${base}/app/blobs/uploads/`);
  const location = begun.headers.location ?? '';
  assert.ok(location.startsWith(`${base}/app/blobs/uploads/`), location);
  const patched = await registry.send('PATCH', location, { body: '{}' });
  assert.equal(patched.headers.location, location);
  const put = await registry.send('PUT', `${location}?digest=${digestOf('{}')}`);
  assert.equal(put.headers.location, `${base}/app/blobs/${digestOf('{}')}`);
  assert.equal((await registry.send('GET', put.headers.location ?? '')).body.toString(), '{}');
  const mounted = await registry.send('POST', `${base}/b/blobs/uploads/?from=app&mount=${digestOf('{}')}`);
  assert.equal(mounted.headers.location, `${base}/b/blobs/${digestOf('{}')}`);

  const body = JSON.stringify({
    schemaVersion: 2,
    config: { mediaType: 'application/x', digest: digestOf('{}'), size: 2 },
    layers: [],
  });
  const headers = { 'Content-Type': OCI_MANIFEST };
  for (const tag of ['1', '2', '3']) {
    const pushed = await registry.send('PUT', `${base}/app/manifests/${tag}`, { body, headers });
    assert.equal(pushed.headers.location, `${base}/app/manifests/${digestOf(body)}`);
  }
  // Twice: the second one is answered from memory.
  for (let round = 0; round < 2; round += 1) {
    const tags = await registry.send('GET', `${base}/app/tags/list?n=2`);
    assert.equal(tags.headers.link, `<${base}/app/tags/list?n=2&last=2>; rel="next"`);
    assert.equal((await registry.send('GET', `${base}/app/manifests/1`)).status, 200);
  }
  const next = await registry.send('GET', `${base}/app/tags/list?n=2&last=2`);
  assert.deepEqual(JSON.parse(next.body.toString()).tags, ['3']);
  expectError(await registry.send('GET', `${base}/te%61m/tags/list`), 400, 'NAME_INVALID');
  for (const path of ['/v2/', '/v2/app/tags/list', '/team/v2/', '/team/registry/v1/none']) {
    expectError(await registry.send('GET', path), 404, 'UNSUPPORTED');
  }
});

test('the API is not below a prefix unless it is told so', async (t) => {
  const registry = await startInProcessRegistry(t);
  expectError(await registry.send('GET', '/registry/v2/'), 404, 'UNSUPPORTED');
});

async function loggedRemote(registry: InProcessRegistry, header: string): Promise<unknown> {
  await registry.send('GET', '/v2/none/tags/list', { headers: { 'X-Forwarded-For': header } });
  return JSON.parse(registry.logged.findLast((line) => JSON.parse(line).msg === 'request') ?? '{}').remote;
}

test('the log has the address that a trusted proxy passes on, and of others their own', async (t) => {
  const trusted = await startInProcessRegistry(t, { trustedProxies: parseTrustedProxies(['127.0.0.0/8']) });
  assert.equal(await loggedRemote(trusted, '1.1.1.1, 198.51.100.7'), '198.51.100.7');
  const untrusting = await startInProcessRegistry(t);
  assert.equal(await loggedRemote(untrusting, '198.51.100.7'), '127.0.0.1');
});

test('CORS: an allowed page may read answers and errors, and asks ahead without credentials', async (t) => {
  const registry = await startInProcessRegistry(t, {
    corsOrigins: ['https://ui.example'],
    auth: 'accounts',
    adminPassword: 'right-password',
  });
  const origin = { Origin: 'https://ui.example' };
  const preflight = await registry.send('OPTIONS', '/v2/team/app/manifests/1', {
    headers: {
      ...origin,
      'Access-Control-Request-Method': 'PUT',
      'Access-Control-Request-Headers': 'authorization',
    },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers['access-control-allow-origin'], 'https://ui.example');
  assert.match(preflight.headers['access-control-allow-methods'] ?? '', /PUT/);
  assert.match(preflight.headers['access-control-allow-headers'] ?? '', /Authorization/);

  const refused = await registry.send('GET', '/v2/', { headers: origin });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers['access-control-allow-origin'], 'https://ui.example');
  const user = { name: 'admin', password: 'right-password' };
  for (const path of ['/v2/', '/v2/team/none/tags/list', '/v2/_catalog']) {
    const answer = await registry.send('GET', path, { headers: origin, user });
    assert.equal(answer.headers['access-control-allow-origin'], 'https://ui.example', path);
    assert.match(answer.headers['access-control-expose-headers'] ?? '', /Docker-Content-Digest/);
    assert.equal(answer.headers.vary, 'Origin');
    assert.equal(answer.headers['access-control-allow-credentials'], undefined);
    const other = await registry.send('GET', path, { headers: { Origin: 'https://evil.example' }, user });
    assert.equal(other.headers['access-control-allow-origin'], undefined);
  }
});

test('CORS: answers out of memory to who is no page say that pages get others', async (t) => {
  const registry = await startInProcessRegistry(t, { corsOrigins: ['https://ui.example'] });
  await registry.pushImage('team/app', '1');
  for (const path of ['manifests/1', 'tags/list']) {
    for (const time of ['first', 'second']) {
      const hits = await registry.metric('berth_answer_cache_hits_total');
      const answer = await registry.send('GET', `/v2/team/app/${path}`);
      assert.equal(answer.headers.vary, 'Origin', `${path}, the ${time} time`);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
      const found = (await registry.metric('berth_answer_cache_hits_total')) - hits;
      assert.equal(found, time === 'first' ? 0 : 1);
    }
  }
});

test('CORS is off unless it is told so', async (t) => {
  const registry = await startInProcessRegistry(t);
  const headers = { Origin: 'https://ui.example', 'Access-Control-Request-Method': 'GET' };
  for (const method of ['OPTIONS', 'GET']) {
    const answer = await registry.send(method, '/v2/', { headers });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
    assert.equal(answer.headers.vary, undefined);
  }
});

test('where deletes are off nothing can be deleted, and uploads can be cancelled', async (t) => {
  const registry = await startInProcessRegistry(t, { deletes: false });
  const { digest, manifest } = await registry.pushImage('team/app', '1');
  for (const path of [
    'manifests/1',
    `manifests/${digest}`,
    'manifests/none',
    `blobs/${manifest.config.digest}`,
    `blobs/${digestOf('none')}`,
  ]) {
    const refused = await registry.send('DELETE', `/v2/team/app/${path}`);
    expectError(refused, 405, 'UNSUPPORTED');
    assert.match(refused.headers.allow ?? '', /GET, HEAD/);
  }
  assert.equal((await registry.send('GET', '/v2/team/app/manifests/1')).status, 200);
  assert.equal((await registry.send('GET', `/v2/team/app/blobs/${manifest.config.digest}`)).status, 200);
  const location = await registry.begin('team/app');
  assert.equal((await registry.send('DELETE', location)).status, 204);
});

test('where deletes are off who may not delete hears that, not what is switched', async (t) => {
  const registry = await startInProcessRegistry(t, {
    deletes: false,
    auth: 'accounts',
    adminPassword: 'right-password',
  });
  expectError(await registry.send('DELETE', '/v2/team/app/manifests/1'), 401, 'UNAUTHORIZED');
});

test('a registry that is read-only is read, pushed to by nobody, and says why', async (t) => {
  const before = await startInProcessRegistry(t);
  const { digest, manifest, bytes } = await before.pushImage('team/app', '1');
  const upload = await before.begin('team/app');
  await before.stop();
  const registry = await startInProcessRegistry(t, { data: before.data, readOnly: true });
  const headers = { 'Content-Type': OCI_MANIFEST };
  const layer = manifest.layers[0]?.digest;
  for (const [method, path, options] of [
    ['POST', '/v2/team/app/blobs/uploads/'],
    ['POST', `/v2/team/app/blobs/uploads/?digest=${digestOf('{}')}`, { body: '{}' }],
    ['POST', `/v2/team/b/blobs/uploads/?from=team/app&mount=${layer}`],
    ['PATCH', upload, { body: '{}' }],
    ['PUT', `${upload}?digest=${digestOf('{}')}`, { body: '{}' }],
    ['PUT', '/v2/team/app/manifests/2', { body: bytes, headers }],
    ['DELETE', '/v2/team/app/manifests/1'],
    ['DELETE', `/v2/team/app/manifests/${digest}`],
    ['DELETE', `/v2/team/app/blobs/${layer}`],
  ] as const) {
    const refused = await registry.send(method, path, options ?? {});
    expectError(refused, 405, 'UNSUPPORTED');
    assert.match(refused.body.toString(), /this registry is read-only/);
    assert.equal(refused.headers.allow?.includes(method), false, method);
  }
  assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/1')).body, bytes);
  assert.equal((await registry.send('GET', `/v2/team/app/blobs/${layer}`)).status, 200);
  assert.equal((await registry.send('GET', upload)).status, 204);
  assert.equal((await registry.send('DELETE', upload)).status, 204);
});

test('the root says what this is, to probes of load balancers and to people', async (t) => {
  const open = await startInProcessRegistry(t);
  const answer = await open.send('GET', '/');
  assert.equal(answer.status, 200);
  assert.equal(answer.body.toString(), 'This is a Berth registry, for docker and similar clients.\n');
  assert.equal((await open.send('HEAD', '/')).status, 200);
  const options = { auth: 'accounts', adminPassword: 'right-password', pathPrefix: '/registry' } as const;
  const closed = await startInProcessRegistry(t, options);
  assert.match(
    (await closed.send('GET', '/registry/')).body.toString(),
    / log in at \/registry\/auth\/\.\n$/,
  );
});

test('the OpenAPI document names the path prefix of its server', async (t) => {
  const options = { auth: 'accounts', adminPassword: 'right-password', pathPrefix: '/registry' } as const;
  const registry = await startInProcessRegistry(t, options);
  const { body } = await registry.send('GET', '/registry/api/v1/openapi.json');
  assert.deepEqual(JSON.parse(body.toString()).servers, [{ url: '/registry/api/v1' }]);
});
