import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { connectRaw } from '../support/raw-connection.ts';
import {
  createRegistryClient,
  digestOf,
  OCI_MANIFEST,
  type RegistryClient,
} from '../support/registry-client.ts';
import { startReplicas } from '../support/replicas.ts';

const replicas = await startReplicas({ after }, { args: ['--log-level', 'warn'] });
const [first, second, third] = replicas.servers.map(({ url }) => createRegistryClient(url));
if (first === undefined || second === undefined || third === undefined) throw new Error('three are needed');
const octets = { 'Content-Type': 'application/octet-stream' };

test('an upload goes on with another replica at each request', async () => {
  const location = await first.begin('team/app');
  const chunk = (from: number, body: string) => ({
    body,
    headers: { ...octets, 'Content-Range': `${from}-${from + body.length - 1}` },
  });
  assert.equal((await second.send('PATCH', location, chunk(0, '01234'))).status, 202);
  assert.equal((await third.send('PATCH', location, chunk(5, '56789'))).status, 202);
  const asked = await first.send('GET', location);
  assert.equal(asked.headers.range, '0-9');
  const early = await first.send('PATCH', location, chunk(5, 'xxxxx'));
  assert.equal(early.status, 416);
  assert.equal(early.headers.range, '0-9');
  const digest = digestOf('0123456789abc');
  const put = await second.send('PUT', `${location}?digest=${digest}`, chunk(10, 'abc'));
  assert.equal(put.status, 201, put.body.toString());
  for (const replica of [first, second, third]) {
    const blob = await replica.send('GET', `/v2/team/app/blobs/${digest}`);
    assert.equal(blob.body.toString(), '0123456789abc');
  }
  assert.equal((await third.send('GET', location)).status, 404);
});

test('while one replica takes a chunk, another refuses to write to the upload', async (t) => {
  const location = await first.begin('team/app');
  const slow = await connectRaw(t, Number(new URL(replicas.servers[0]?.url ?? '').port));
  slow.write(`PATCH ${location} HTTP/1.1\r\nHost: r\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n`);
  await slow.waitFor(/100 Continue/);
  slow.write('01234');
  const other = { body: 'xxxxxxxxxx', headers: octets };
  const refused = await second.send('PATCH', location, other);
  assert.equal(refused.status, 409, refused.body.toString());
  const early = await third.send('PUT', `${location}?digest=${digestOf('xxxxxxxxxx')}`, other);
  assert.equal(early.status, 409, early.body.toString());
  slow.write('56789');
  await slow.waitFor(/HTTP\/1\.1 202 /);
  const digest = digestOf('0123456789');
  assert.equal((await second.send('PUT', `${location}?digest=${digest}`)).status, 201);
  assert.equal((await third.send('GET', `/v2/team/app/blobs/${digest}`)).body.toString(), '0123456789');
});

test('a tag that was moved or deleted with one replica is so with all, at once', async () => {
  const images = [await first.pushImage('team/moving', 'a'), await second.pushImage('team/moving', 'b')];
  for (let round = 0; round < 60; round += 1) {
    const writer: RegistryClient = round % 2 === 0 ? first : second;
    const reader: RegistryClient = round % 2 === 0 ? third : first;
    const image = images[round % 2];
    assert.ok(image !== undefined);
    await writer.pushManifest('team/moving', 'latest', image.manifest);
    // Twice: the second answer comes out of memory.
    for (const _ of [1, 2]) {
      const pulled = await reader.send('GET', '/v2/team/moving/manifests/latest', {
        headers: { Accept: OCI_MANIFEST },
      });
      assert.equal(pulled.headers['docker-content-digest'], image.digest, `round ${round}`);
    }
  }
  for (const replica of [first, second, third]) {
    assert.equal((await replica.send('GET', '/v2/team/moving/manifests/latest')).status, 200);
  }
  assert.equal((await third.send('DELETE', `/v2/team/moving/manifests/${images[1]?.digest}`)).status, 202);
  for (const replica of [first, second, third]) {
    assert.equal((await replica.send('GET', '/v2/team/moving/manifests/latest')).status, 404);
    const { body } = await replica.send('GET', '/v2/team/moving/tags/list');
    assert.deepEqual(JSON.parse(body.toString()).tags, ['a']);
  }
});

test('the same content pushed to all replicas at once is stored once, and is there with all', async () => {
  const contents = Array.from({ length: 8 }, (_, index) => `common content ${index}`);
  await Promise.all(
    contents.flatMap((content) =>
      [first, second, third].map((replica, index) => replica.pushBlob(`team/common-${index}`, content)),
    ),
  );
  for (const [index, replica] of [second, third, first].entries()) {
    for (const content of contents) {
      const blob = await replica.send('GET', `/v2/team/common-${index}/blobs/${digestOf(content)}`);
      assert.equal(blob.body.toString(), content);
    }
  }
});

test('readyz tells when the database is away, and when it is back', async () => {
  const ready = async () => (await first.send('GET', '/readyz')).status;
  assert.equal(await ready(), 200);
  const away = replicas.postgres.stop();
  const during = first.send('GET', '/v2/team/app/tags/list');
  await away;
  await sleep(500);
  await replicas.postgres.start();
  assert.ok([200, 503].includes((await during).status));
  await eventually('it is ready again', async () => (await ready()) === 200 || undefined);
  // The others too, without having been asked meanwhile.
  assert.equal((await second.send('GET', '/v2/team/app/tags/list')).status, 200);
  await third.pushImage('team/app', 'after');
});
