import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { RegistryDependencies } from '../../server/registry/registry-dependencies.ts';
import { createRegistryRouter } from '../../server/registry/registry-router.ts';
import { eventually } from '../support/eventually.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { digestOf, OCI_MANIFEST } from '../support/registry-client.ts';
import { settledSize } from '../support/settled-upload.ts';

const HALF = 50_000;

test('a client that hangs up in the middle of any route: nothing breaks, nothing is half stored', async (t) => {
  const registry = await startInProcessRegistry(t);
  const image = await registry.pushImage('team/app', '1');
  const content = randomBytes(2 * HALF);
  const digest = digestOf(content);
  const patched = await registry.begin('team/app');
  const closed = await registry.begin('team/app');
  const manifest = Buffer.from(
    JSON.stringify({ ...image.manifest, annotations: { a: 'x'.repeat(2 * HALF) } }),
  );
  const base = '/v2/team/app';
  const withBody = [
    ['PATCH', patched, content],
    ['PATCH', `${patched}`, content],
    ['PUT', `${closed}?digest=${digest}`, content],
    ['POST', `${base}/blobs/uploads/?digest=${digest}`, content],
    ['PUT', `${base}/manifests/2`, manifest],
    ['PUT', `${base}/manifests/${digestOf(manifest)}?tag=3`, manifest],
  ] as const;
  const withoutBody = [
    ['GET', '/'],
    ['GET', '/v2/'],
    ['HEAD', '/v2/'],
    ['GET', '/v2/_catalog'],
    ['GET', '/v1/_ping'],
    ['GET', '/v1/search?q=a'],
    ['GET', `${base}/tags/list`],
    ['GET', `${base}/manifests/1`],
    ['HEAD', `${base}/manifests/1`],
    ['GET', `${base}/blobs/${image.manifest.config.digest}`],
    ['HEAD', `${base}/blobs/${image.manifest.config.digest}`],
    ['GET', `${base}/referrers/${image.digest}`],
    ['POST', `${base}/blobs/uploads/`],
    ['POST', `/v2/team/b/blobs/uploads/?mount=${image.manifest.config.digest}&from=team/app`],
    ['GET', patched],
    ['DELETE', await registry.begin('team/app')],
    ['DELETE', `${base}/manifests/none`],
    ['DELETE', `${base}/blobs/${digest}`],
  ] as const;

  for (const [method, path, body] of withBody) {
    const connection = await connectRaw(t, registry.port);
    connection.write(
      `${method} ${path} HTTP/1.1\r\nHost: r\r\nContent-Type: ${OCI_MANIFEST}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    connection.write(body.subarray(0, HALF));
    await new Promise<void>((resolve) => connection.socket.write('', () => resolve()));
    connection.reset();
    await eventually(`${method} ${path} is logged as aborted`, () =>
      registry.logged.some((line) => {
        const entry = JSON.parse(line);
        return entry.aborted === true && entry.method === method && path.startsWith(entry.path);
      })
        ? true
        : undefined,
    );
  }
  for (const [method, path] of withoutBody) {
    const connection = await connectRaw(t, registry.port);
    connection.write(`${method} ${path} HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n`);
    await new Promise<void>((resolve) => connection.socket.write('', () => resolve()));
    connection.reset();
  }

  // Of a route that is added and not listed here somebody has to think.
  const routes = createRegistryRouter({ pathPrefix: '', deletes: true } as RegistryDependencies).stack;
  const tried = [...withBody, ...withoutBody].map(([method, path]) => {
    const [plain = ''] = path.split('?');
    return routes.find((route) => route.methods.includes(method) && route.match(plain));
  });
  assert.deepEqual(
    routes.filter((route) => !tried.includes(route)).map(({ methods, path }) => `${methods} ${path}`),
    [],
  );

  // The ones without a body may have been answered or not; what a client sees afterwards is whole.
  for (const path of [`${base}/blobs/${digest}`, `${base}/manifests/2`, `${base}/manifests/3`]) {
    assert.equal((await registry.send('GET', path)).status, 404, path);
  }
  assert.deepEqual((await registry.send('GET', `${base}/manifests/1`)).body, image.bytes);
  for (const location of [patched, closed]) assert.ok((await settledSize(registry, location)) <= 2 * HALF);
  const size = await settledSize(registry, closed);
  const put = await registry.send('PUT', `${closed}?digest=${digest}`, { body: content.subarray(size) });
  assert.equal(put.status, 201, put.body.toString());
  assert.deepEqual((await registry.send('GET', `${base}/blobs/${digest}`)).body, content);
  assert.deepEqual(
    registry.logged.filter((line) => JSON.parse(line).level >= 50),
    [],
  );
});

test('headers of 64 KiB: 431, as JSON, whatever header it is', async (t) => {
  const registry = await startInProcessRegistry(t);
  for (const header of [
    `X-Long: ${'x'.repeat(64 * 1024)}`,
    `Authorization: Bearer ${'x'.repeat(64 * 1024)}`,
    Array.from({ length: 1000 }, (_, index) => `X-${index}: ${'x'.repeat(64)}`).join('\r\n'),
  ]) {
    const connection = await connectRaw(t, registry.port);
    connection.write(`GET /v2/ HTTP/1.1\r\nHost: r\r\n${header}\r\n\r\n`);
    await connection.closed();
    const [head = '', body = ''] = connection.received().split('\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 431 /);
    assert.match(head, /\r\nContent-Type: application\/json/);
    assert.equal(JSON.parse(body).errors[0].code, 'UNSUPPORTED');
  }
  const long = await registry.send('GET', `/v2/team/app/tags/list?last=${'x'.repeat(64 * 1024)}`);
  assert.equal(long.status, 431);
  assert.equal((await registry.send('GET', '/v2/')).status, 200);
});
