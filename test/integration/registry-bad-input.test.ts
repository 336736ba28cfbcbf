import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import type { HttpRequest } from '../support/http-client.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';
import {
  digestOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  type TestImage,
} from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { settledSize } from '../support/settled-upload.ts';

interface Stocked {
  readonly registry: InProcessRegistry;
  readonly image: TestImage;
}

/** A registry that holds an image: after each bad input it must still be there, to the byte. */
async function stocked(t: TestContext): Promise<Stocked> {
  const registry = await startInProcessRegistry(t);
  const image = await registry.pushImage('team/app', '1');
  return { registry, image };
}

async function expectNothingLost({ registry, image }: Stocked): Promise<void> {
  const pulled = await registry.send('GET', '/v2/team/app/manifests/1');
  assert.deepEqual(pulled.body, image.bytes);
  for (const { digest, size } of [image.manifest.config, ...image.manifest.layers]) {
    const blob = await registry.send('GET', `/v2/team/app/blobs/${digest}`);
    assert.equal(blob.status, 200);
    assert.equal(blob.body.length, size);
    assert.equal(digestOf(blob.body), digest);
  }
  const tags = await registry.send('GET', '/v2/team/app/tags/list');
  assert.deepEqual(JSON.parse(tags.body.toString()), { name: 'team/app', tags: ['1'] });
  const serious = registry.logged.filter((line) => JSON.parse(line).level >= 50);
  assert.deepEqual(serious, [], 'bad input is no error of the server');
}

const ABSENT = `sha256:${'0'.repeat(64)}`;

test('what is refused before a route has it says so in JSON, and nosniff', async (t) => {
  const registry = await startInProcessRegistry(t);
  for (const [request, status, message] of [
    ['nonsense', 400, /not an HTTP request/],
    ['GET /v2/ HTTP/1.1', 400, /Host header is missing/],
    ['GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b', 400, /is repeated/],
    ['GET /v2/ HTTP/1.1\r\nHost: a\r\nExpect: nonsense', 417, /only 100-continue/],
    [`GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Long: ${'a'.repeat(20_000)}`, 431, /too large/],
  ] as const) {
    const connection = await connectRaw(t, Number(new URL(registry.url).port));
    connection.write(`${request}\r\n\r\n`);
    await connection.waitFor(new RegExp(`^HTTP/1\\.1 ${status} .*x-content-type-options: nosniff\r\n`, 'is'));
    await connection.waitFor(message);
  }
});

test('wrong digest at the end of an upload: 400, and the upload can still be cancelled', async (t) => {
  const stock = await stocked(t);
  const { registry } = stock;
  const location = await registry.begin('team/app');
  const put = await registry.send('PUT', `${location}?digest=${ABSENT}`, { body: 'not nothing' });
  expectError(put, 400, 'DIGEST_INVALID');
  expectError(await registry.send('GET', `/v2/team/app/blobs/${ABSENT}`), 404, 'BLOB_UNKNOWN');
  const wrong = await registry.send('GET', `/v2/team/app/blobs/${digestOf('not nothing')}`);
  expectError(wrong, 404, 'BLOB_UNKNOWN');
  assert.equal((await registry.send('GET', location)).status, 204);
  assert.equal((await registry.send('DELETE', location)).status, 204);
  expectError(await registry.send('GET', location), 404, 'BLOB_UPLOAD_UNKNOWN');
  await expectNothingLost(stock);
});

test('wrong digest in a single POST: 400, and nothing is stored', async (t) => {
  const stock = await stocked(t);
  const post = await stock.registry.send('POST', `/v2/team/app/blobs/uploads/?digest=${ABSENT}`, {
    body: 'x',
  });
  expectError(post, 400, 'DIGEST_INVALID');
  expectError(await stock.registry.send('GET', `/v2/team/app/blobs/${ABSENT}`), 404, 'BLOB_UNKNOWN');
  await expectNothingLost(stock);
});

for (const digest of [
  '',
  'sha256:',
  'sha256:xyz',
  `sha256:${'A'.repeat(64)}`,
  `sha256:${'a'.repeat(63)}`,
  `md5:${'a'.repeat(32)}`,
  '../../etc/passwd',
]) {
  test(`digest "${digest}" is refused where a blob is asked for, ended or mounted`, async (t) => {
    const stock = await stocked(t);
    const { registry } = stock;
    const encoded = encodeURIComponent(digest);
    if (digest !== '') {
      expectError(await registry.send('GET', `/v2/team/app/blobs/${encoded}`), 400, 'DIGEST_INVALID');
      expectError(await registry.send('DELETE', `/v2/team/app/blobs/${encoded}`), 400, 'DIGEST_INVALID');
      expectError(await registry.send('GET', `/v2/team/app/referrers/${encoded}`), 400, 'DIGEST_INVALID');
    }
    const location = await registry.begin('team/app');
    expectError(await registry.send('PUT', `${location}?digest=${encoded}`), 400, 'DIGEST_INVALID');
    expectError(
      await registry.send('POST', `/v2/team/app/blobs/uploads/?digest=${encoded}`, { body: 'x' }),
      400,
      'DIGEST_INVALID',
    );
    const mount = await registry.send('POST', `/v2/team/b/blobs/uploads/?mount=${encoded}&from=team/app`);
    assert.equal(mount.status, 202);
    await expectNothingLost(stock);
  });
}

test('a PUT without a digest is refused', async (t) => {
  const stock = await stocked(t);
  const location = await stock.registry.begin('team/app');
  expectError(await stock.registry.send('PUT', location), 400, 'DIGEST_INVALID');
  await expectNothingLost(stock);
});

test('truncated body: what came is kept in the upload, and never becomes a blob', async (t) => {
  const stock = await stocked(t);
  const { registry } = stock;
  const content = Buffer.alloc(300_000, 'truncated ');
  const location = await registry.begin('team/app');
  const connection = await connectRaw(t, registry.port);
  connection.write(
    `PUT ${location}?digest=${digestOf(content)} HTTP/1.1\r\nHost: registry\r\nContent-Length: ${content.length}\r\n\r\n`,
  );
  connection.write(content.subarray(0, 100_000));
  connection.socket.end();
  await aborted(registry);
  const size = await settledSize(registry, location);
  assert.ok(size <= 100_000);
  expectError(await registry.send('GET', `/v2/team/app/blobs/${digestOf(content)}`), 404, 'BLOB_UNKNOWN');

  const rest = content.subarray(size);
  const put = await registry.send('PUT', `${location}?digest=${digestOf(content)}`, { body: rest });
  assert.equal(put.status, 201, put.body.toString());
  await expectNothingLost(stock);
});

function aborted(registry: InProcessRegistry): Promise<true> {
  return eventually('a request is logged as aborted', () =>
    registry.logged.some((line) => JSON.parse(line).aborted === true) ? true : undefined,
  );
}

test('truncated single POST: nothing is stored', async (t) => {
  const stock = await stocked(t);
  const { registry } = stock;
  const content = Buffer.alloc(200_000, 'truncated ');
  const digest = digestOf(content);
  const connection = await connectRaw(t, registry.port);
  connection.write(
    `POST /v2/team/app/blobs/uploads/?digest=${digest} HTTP/1.1\r\nHost: registry\r\nContent-Length: ${content.length}\r\n\r\n`,
  );
  connection.write(content.subarray(0, 199_999));
  connection.socket.end();
  await aborted(registry);
  expectError(await registry.send('GET', `/v2/team/app/blobs/${digest}`), 404, 'BLOB_UNKNOWN');
  await expectNothingLost(stock);
});

test('unknown upload: 404 on every method', async (t) => {
  const stock = await stocked(t);
  const { registry } = stock;
  const elsewhere = (await registry.begin('team/other')).replace('team/other', 'team/app');
  const ids = ['00000000-0000-4000-8000-000000000000', 'x', '..', '%2e%2e', 'a'.repeat(300)];
  for (const location of [elsewhere, ...ids.map((id) => `/v2/team/app/blobs/uploads/${id}`)]) {
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const query = method === 'PUT' ? `?digest=${digestOf('x')}` : '';
      const options = method === 'PATCH' || method === 'PUT' ? { body: 'x' } : {};
      const answer = await registry.send(method, location + query, options);
      expectError(answer, 404, 'BLOB_UPLOAD_UNKNOWN');
    }
  }
  await expectNothingLost(stock);
});

const LONG = 'a'.repeat(256);
for (const name of [
  '..',
  'team/../app',
  '../app',
  'Team/app',
  'team/App',
  LONG,
  'team%2Fapp',
  'team%2fapp',
  '%2e%2e',
  'team%00',
  '-app',
  'app-',
  'a..b',
  'a___b',
  '_',
  'caf%C3%A9',
  '%ZZ',
  'a%20b',
  'a:b',
  '.',
]) {
  test(`repository name "${name.slice(0, 20)}": 400 NAME_INVALID on every route`, async (t) => {
    const stock = await stocked(t);
    const { registry } = stock;
    const requests: readonly (readonly [string, string, Omit<HttpRequest, 'method'>?])[] = [
      ['GET', 'tags/list'],
      ['GET', 'manifests/1'],
      ['PUT', 'manifests/1', { body: '{}', headers: { 'Content-Type': OCI_MANIFEST } }],
      ['DELETE', 'manifests/1'],
      ['GET', `blobs/${ABSENT}`],
      ['DELETE', `blobs/${ABSENT}`],
      ['POST', 'blobs/uploads/'],
      ['POST', `blobs/uploads/?digest=${digestOf('x')}`, { body: 'x' }],
      ['GET', 'blobs/uploads/00000000-0000-4000-8000-000000000000'],
      ['PATCH', 'blobs/uploads/00000000-0000-4000-8000-000000000000', { body: 'x' }],
      ['PUT', 'blobs/uploads/00000000-0000-4000-8000-000000000000', { body: 'x' }],
      ['DELETE', 'blobs/uploads/00000000-0000-4000-8000-000000000000'],
      ['GET', `referrers/${ABSENT}`],
    ];
    for (const [method, rest, options] of requests) {
      const answer = await registry.send(method, `/v2/${name}/${rest}`, options);
      expectError(answer, 400, 'NAME_INVALID');
    }
    await expectNothingLost(stock);
  });
}

test('a name of 255 characters, and one that looks like a route, are names', async (t) => {
  const { registry } = await stocked(t);
  for (const name of ['a'.repeat(255), 'blobs/uploads', 'team/manifests/tags', 'v2/list']) {
    const { digest, bytes } = await registry.pushImage(name, 'latest');
    assert.deepEqual((await registry.send('GET', `/v2/${name}/manifests/${digest}`)).body, bytes);
    const tags = await registry.send('GET', `/v2/${name}/tags/list`);
    assert.deepEqual(JSON.parse(tags.body.toString()), { name, tags: ['latest'] });
  }
});

const descriptor = (content: string, mediaType: string) => ({
  mediaType,
  digest: digestOf(content),
  size: content.length,
});
const BAD_MANIFESTS: Readonly<Record<string, readonly [body: string | Buffer, mediaType: string]>> = {
  'no JSON': ['{"schemaVersion": 2', OCI_MANIFEST],
  empty: ['', OCI_MANIFEST],
  'a JSON array': ['[]', OCI_MANIFEST],
  'JSON null': ['null', OCI_MANIFEST],
  'no UTF-8': [Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), OCI_MANIFEST],
  'an object without anything': ['{}', OCI_MANIFEST],
  'another type than it was sent as': [
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }),
    OCI_MANIFEST,
  ],
  'a descriptor with a bad digest': [
    JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: OCI_CONFIG, digest: 'sha256:../../x', size: 1 },
      layers: [],
    }),
    OCI_MANIFEST,
  ],
  'a negative size': [
    JSON.stringify({ schemaVersion: 2, config: { ...descriptor('x', OCI_CONFIG), size: -1 }, layers: [] }),
    OCI_MANIFEST,
  ],
  'a media type that is none of a manifest': ['{"schemaVersion": 2}', 'text/html'],
};
for (const [what, [body, mediaType]] of Object.entries(BAD_MANIFESTS)) {
  test(`bad manifest: ${what}: 400 MANIFEST_INVALID, and the tag stays where it was`, async (t) => {
    const stock = await stocked(t);
    const put = await stock.registry.send('PUT', '/v2/team/app/manifests/1', {
      body,
      headers: { 'Content-Type': mediaType },
    });
    expectError(put, 400, 'MANIFEST_INVALID');
    await expectNothingLost(stock);
  });
}

test('a manifest of 5 MiB: 413, with a length and chunked', async (t) => {
  const stock = await stocked(t);
  const { registry } = stock;
  const big = Buffer.alloc(5 * 1024 * 1024, ' ');
  const headers = { 'Content-Type': OCI_MANIFEST };
  for (const body of [big, Readable.from([big.subarray(0, 3_000_000), big.subarray(3_000_000)])]) {
    expectError(
      await registry.send('PUT', '/v2/team/app/manifests/1', { body, headers }),
      413,
      'SIZE_INVALID',
    );
  }
  await expectNothingLost(stock);
});

test('a manifest of 4 MiB is taken', async (t) => {
  const { registry } = await stocked(t);
  const config = await registry.pushBlob('team/app', '{}');
  const manifest = {
    schemaVersion: 2,
    config: { ...config, mediaType: OCI_CONFIG },
    layers: [],
    annotations: { x: '' },
  };
  manifest.annotations.x = 'x'.repeat(4 * 1024 * 1024 - JSON.stringify(manifest).length);
  const digest = await registry.pushManifest('team/app', 'big', manifest);
  const pulled = await registry.send('GET', '/v2/team/app/manifests/big');
  assert.equal(pulled.body.length, 4 * 1024 * 1024);
  assert.equal(digestOf(pulled.body), digest);
});

test('a manifest that refers to missing blobs: 400, all of them named, the tag unchanged', async (t) => {
  const stock = await stocked(t);
  const { registry, image } = stock;
  await registry.pushBlob('team/other', 'in another repository');
  const missing = [descriptor('nowhere', OCI_LAYER), descriptor('in another repository', OCI_LAYER)];
  const manifest = { ...image.manifest, layers: [...image.manifest.layers, ...missing] };
  const put = await registry.send('PUT', '/v2/team/app/manifests/1', {
    body: JSON.stringify(manifest),
    headers: { 'Content-Type': OCI_MANIFEST },
  });
  const { detail } = expectError(put, 400, 'MANIFEST_BLOB_UNKNOWN');
  assert.deepEqual(
    new Set((detail as { missing: string[] }).missing),
    new Set(missing.map(({ digest }) => digest)),
  );
  await expectNothingLost(stock);
});

test('a manifest under another digest than its own: 400', async (t) => {
  const stock = await stocked(t);
  const put = await stock.registry.send('PUT', `/v2/team/app/manifests/${ABSENT}`, {
    body: stock.image.bytes,
    headers: { 'Content-Type': OCI_MANIFEST },
  });
  expectError(put, 400, 'DIGEST_INVALID');
  expectError(await stock.registry.send('GET', `/v2/team/app/manifests/${ABSENT}`), 404, 'MANIFEST_UNKNOWN');
  await expectNothingLost(stock);
});

for (const tag of [
  '-x',
  '.x',
  'a'.repeat(129),
  'a%2Fb',
  'a b'.replace(' ', '%20'),
  '%F0%9F%9A%A2',
  `sha256:${'a'.repeat(10)}`,
]) {
  test(`tag "${tag.slice(0, 20)}": refused on a push, unknown on a pull`, async (t) => {
    const stock = await stocked(t);
    const { registry, image } = stock;
    const path = `/v2/team/app/manifests/${tag}`;
    const put = await registry.send('PUT', path, {
      body: image.bytes,
      headers: { 'Content-Type': OCI_MANIFEST },
    });
    expectError(put, 400, 'TAG_INVALID');
    expectError(await registry.send('GET', path), 404, 'MANIFEST_UNKNOWN');
    expectError(await registry.send('DELETE', path), 404, 'MANIFEST_UNKNOWN');
    await expectNothingLost(stock);
  });
}

test('paths and methods that are not there', async (t) => {
  const stock = await stocked(t);
  const { registry } = stock;
  for (const path of [
    '/v1/none',
    '/v2/team/app',
    '/v2/team/app/manifests/',
    '/v3/',
    '/v2/_catalogue',
    '//v2/',
    '/V2/',
  ]) {
    expectError(await registry.send('GET', path), 404, 'UNSUPPORTED');
  }
  const post = await registry.send('POST', '/v2/team/app/manifests/1', { body: 'x' });
  expectError(post, 405, 'UNSUPPORTED');
  assert.match(post.headers.allow ?? '', /GET/);
  expectError(await registry.send('PROPFIND', '/v2/'), 405, 'UNSUPPORTED');
  await expectNothingLost(stock);
});

test('refusals without a login make the log grow by little, however many and long they are', async (t) => {
  const registry = await startInProcessRegistry(t, {
    auth: 'accounts',
    adminPassword: 'a password of tests',
  });
  const before = registry.logged.length;
  const path = `/v2/${'x'.repeat(15_000)}/manifests/latest`;
  const count = 1500;
  for (let batch = 0; batch < count; batch += 50) {
    const answers = Array.from({ length: 50 }, () => registry.send('GET', path));
    for (const { status } of await Promise.all(answers))
      assert.ok(status === 401 || status === 400, `${status}`);
  }
  const lines = registry.logged.slice(before).map((line) => JSON.parse(line));
  const requests = lines.filter(({ msg }) => msg === 'request');
  const unlogged = requests.reduce((sum, line) => sum + (line.unlogged ?? 0), 0);
  assert.ok(requests.length + unlogged > count - 100, 'those that are not logged are counted');
  const bytes = registry.logged.slice(before).join('').length;
  assert.ok(bytes <= count * 800, `${bytes} bytes, which were 15 kB for each`);
  assert.ok(requests.every((line) => line.path.length < 500));
});
