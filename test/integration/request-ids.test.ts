import assert from 'node:assert/strict';
import { glob, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { RegistryApi } from '../../server/cli/remote/registry-api.ts';
import { eventually } from '../support/eventually.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';

const MANIFEST = '/v2/team/app/manifests/1';

/** The lines about one request, once it was logged as ended. */
async function linesOf(registry: InProcessRegistry, id: string): Promise<readonly string[]> {
  const find = () => registry.logged.map((line) => JSON.parse(line)).filter((line) => line.requestId === id);
  await eventually(`a line about ${id}`, () => find().some(({ msg }) => msg === 'request') || undefined);
  return find().map(({ msg }) => msg);
}

test('each answer has the ID that its line in the log has, from the cache too', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest } = await registry.pushImage('team/app', '1');
  const requests = [
    ['GET', MANIFEST, {}],
    ['GET', MANIFEST, {}],
    ['HEAD', MANIFEST, {}],
    ['GET', MANIFEST, { 'If-None-Match': `"${digest}"` }],
    ['GET', '/v2/none/such/tags/list', {}],
    ['GET', '/nowhere', {}],
    ['POST', '/v2/team/app/blobs/uploads/', {}],
    ['GET', '/docs/', { Accept: 'text/html' }],
  ] as const;
  const seen = new Set<string>();
  for (const [method, path, headers] of requests) {
    const answer = await registry.send(method, path, { headers });
    const id = String(answer.headers['x-request-id']);
    assert.match(id, /^[0-9a-f]{12}-[0-9]+$/);
    assert.deepEqual(await linesOf(registry, id), ['request'], `${method} ${path}`);
    seen.add(id);
  }
  assert.equal(seen.size, requests.length);
  const malformed = await connectRaw(t, registry.port);
  malformed.write('no HTTP\r\n\r\n');
  await malformed.waitFor(/^X-Request-ID: [0-9a-f]{12}-[0-9]+\r$/m);
});

test('the ID of a client is kept if it is one', async (t) => {
  const registry = await startInProcessRegistry(t);
  await registry.pushImage('team/app', '1');
  const ask = async (id: string, method = 'GET', path = MANIFEST) =>
    (await registry.send(method, path, { headers: { 'X-Request-ID': id } })).headers['x-request-id'];
  for (const id of ['a', 'trace.7_b-C', 'x'.repeat(128)]) {
    assert.equal(await ask(id), id);
    assert.equal(await ask(id), id, 'from the cache');
    assert.equal(await ask(id, 'DELETE', '/nowhere'), id);
    assert.ok((await linesOf(registry, id)).length >= 1);
  }
  for (const id of ['', 'two words', 'x'.repeat(129), 'a,b', '<b>', '"']) assert.notEqual(await ask(id), id);
});

test('a failure tells the ID by which the log has more', async (t) => {
  const first = await startInProcessRegistry(t);
  const { digest } = await first.pushImage('team/app', '1');
  for await (const path of glob(`blobs/*/*/${digest.split(':')[1]}*`, { cwd: first.data }))
    await truncate(join(first.data, path), 3);
  await first.stop();
  const registry = await startInProcessRegistry(t, { data: first.data });
  const headers = { 'X-Request-ID': 'mine-1' };
  const answer = await registry.send('GET', MANIFEST, { headers });
  assert.equal(answer.status, 500);
  assert.equal(answer.headers['x-request-id'], 'mine-1');
  const [error] = JSON.parse(answer.body.toString()).errors;
  assert.deepEqual(error.detail, { requestId: 'mine-1' });
  assert.deepEqual(await linesOf(registry, 'mine-1'), ['a request failed', 'request']);

  const api = new RegistryApi(new URL(registry.url), undefined);
  await assert.rejects(api.call('GET', `../..${MANIFEST}`), ({ message }: Error) => {
    const [, id = ''] = /\(the registry's log has more: request ID ([0-9a-f]{12}-\d+)\)$/.exec(message) ?? [];
    return registry.logged.some((line) => JSON.parse(line).requestId === id);
  });
});
