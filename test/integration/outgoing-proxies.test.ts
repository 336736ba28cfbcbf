import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runBerthIn } from '../support/berth-command.ts';
import { digestOf, patternBytes } from '../support/content.ts';
import { eventually } from '../support/eventually.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { startNamingProxy } from '../support/naming-proxy.ts';
import { createRegistryClient, OCI_MANIFEST } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, storageUrl, useCredentials } from '../support/s3/s3-server.ts';
import { startTlsFront } from '../support/s3/tls-front.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';

const MIB = 1024 * 1024;
const SECRET = 'a secret of tests';

const ceph = await startCeph({ after });
useCredentials(ceph);
await makeBucket(ceph, 'proxied');
const front = await startTlsFront({ after }, ceph, ['s3.test']);
const receiver = await startWebhookReceiver({ after }, SECRET);
const source = await startInProcessRegistry({ after });
const portOf = (url: string) => Number(new URL(url).port);
// Names that nobody but the proxy knows.
const proxy = await startNamingProxy(
  { after },
  {
    's3.test:80': portOf(ceph.endpoint),
    's3.test:443': portOf(front.server.endpoint),
    'hooks.test:80': portOf(receiver.url),
    'registry.test:80': source.port,
  },
);
const env = { HTTP_PROXY: proxy.url, https_proxy: proxy.url, NODE_EXTRA_CA_CERTS: front.authority };

for (const scheme of ['http', 'https']) {
  test(`a bucket behind a proxy, by ${scheme}, is written and read`, async (t) => {
    const storage = storageUrl(`${scheme}://s3.test`, 'proxied', scheme);
    const registry = await startRegistry(t, { args: ['--storage', storage], env });
    const client = createRegistryClient(registry.url);
    const content = patternBytes(18 * MIB + 3, 5);
    const { digest } = await client.pushBlob('team/app', content);
    const { body } = await client.send('GET', `/v2/team/app/blobs/${digest}`);
    assert.ok(body.equals(content));
    assert.ok(proxy.asked.includes(`s3.test:${scheme === 'http' ? 80 : 443}`), proxy.asked.join());
  });
}

test('a webhook that only the proxy knows is told by it, and a private address by no way', async (t) => {
  const registry = await startRegistry(t, { env });
  const berth = (...args: string[]) => runBerthIn(env, ...args, '--data', registry.dataDir);
  for (const [name, url] of [
    ['out', 'http://hooks.test/events'],
    ['in', 'http://10.1.2.3/events'],
  ]) {
    const added = await berth(
      'webhook',
      'add',
      name ?? '',
      url ?? '',
      '--event',
      'push',
      '--webhook-private',
      'on',
    );
    assert.equal(added.exitCode, 0, added.stderr);
  }
  const client = createRegistryClient(registry.url);
  const config = await client.pushBlob('team/app', Buffer.from('{}'));
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.example', digest: config.digest, size: 2 },
    layers: [],
  };
  await client.send('PUT', '/v2/team/app/manifests/1', {
    headers: { 'content-type': OCI_MANIFEST },
    body: JSON.stringify(manifest),
  });
  await eventually('it is told', () => receiver.received.find(({ source: from }) => from === '/v2/team/app'));
  assert.ok(proxy.asked.includes('hooks.test:80'));
  const refused = await berth('webhook', 'test', 'in');
  assert.match(refused.stderr, /10\.1\.2\.3 is not on the internet/);
  assert.ok(!proxy.asked.some((target) => target.startsWith('10.')));
});

test('a registry that only the proxy knows is imported from', async (t) => {
  const content = Buffer.from('{"imported":true}');
  const { digest } = await source.pushBlob('old/app', content);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: 'application/vnd.example', digest, size: content.length },
    layers: [],
  });
  await source.send('PUT', '/v2/old/app/manifests/1', {
    headers: { 'content-type': OCI_MANIFEST },
    body: manifest,
  });
  const data = await makeTempDir(t, 'imported');
  const taken = await runBerthIn(env, 'import', '--from', 'http://registry.test', '--data', data);
  assert.equal(taken.exitCode, 0, taken.stderr);
  const into = await startInProcessRegistry(t, { data });
  const answer = await into.send('GET', '/v2/old/app/manifests/1');
  assert.equal(digestOf(answer.body), digestOf(manifest));
  assert.ok(proxy.asked.includes('registry.test:80'));
});

test('who is excepted is reached directly', async (t) => {
  const data = await makeTempDir(t, 'direct');
  const before = proxy.asked.length;
  for (const except of ['registry.test', '.test', 'other,*']) {
    const taken = await runBerthIn(
      { ...env, NO_PROXY: except },
      ...['import', '--from', 'http://registry.test', '--data', data],
    );
    assert.notEqual(taken.exitCode, 0, except);
  }
  const local = await runBerthIn(env, 'import', '--from', source.url, '--data', data);
  assert.equal(local.exitCode, 0, local.stderr);
  assert.equal(proxy.asked.length, before);
});

test('what is no proxy is refused with a sentence that shows no password', async () => {
  const bad = await runBerthIn({ HTTPS_PROXY: 'socks5://me:hidden@proxy:1080' }, 'serve');
  assert.equal(bad.exitCode, 2);
  assert.match(bad.stderr, /^berth: the proxy of HTTPS_PROXY cannot be used: it takes http:/);
  assert.doesNotMatch(bad.stderr, /hidden/);
});
