import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { glob, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkImage } from '../support/check-image.ts';
import type { CleanupScope } from '../support/cleanup.ts';
import { fetchDigest } from '../support/fetch-digest.ts';
import { type HttpAnswer, sendRequest } from '../support/http-client.ts';
import { imageFolder } from '../support/image-cache.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import { pushLayout } from '../support/push-layout.ts';
import { checkBlobFiles, manifestDigest } from '../support/registry-digests.ts';
import { type RegistryProcess, startRegistry } from '../support/registry-process.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import { startSlowProxy } from '../support/slow-proxy.ts';
import { makeBigImage, makeBusyboxImage, makeMultiArchImage } from '../support/test-images.ts';
import { waitUntil } from '../support/wait-until.ts';

const options = { timeout: 900_000 };
/** Bytes of the large pushes; BERTH_CRASH_BYTES=1000000000 is what is run by hand before a release. */
const SIZE = Number(process.env.BERTH_CRASH_BYTES ?? 100_000_000);
/** Bytes that have arrived when the registry is killed. */
const KILLED_AT = 0.3 * SIZE;
/** Bytes per second: so slow that most is still to come when the kill strikes, on a machine that has much to do as well. */
const RATE = SIZE / 10;

interface EarlierPush {
  readonly name: string;
  readonly digest: string;
}

async function pushEarlier(scope: CleanupScope, registry: RegistryProcess): Promise<readonly EarlierPush[]> {
  const folder = await imageFolder(scope);
  const images = [await makeBusyboxImage(folder), await makeMultiArchImage(folder)];
  for (const image of images) await pushLayout(image, `${registry.host}/earlier/${image.refName}:1`);
  return images.map(({ refName, digest }) => ({ name: `earlier/${refName}`, digest }));
}

/** Nothing that was there is lost, and no blob file is broken. */
async function checkEarlier(registry: RegistryProcess, pushes: readonly EarlierPush[]): Promise<void> {
  for (const { name, digest } of pushes) {
    assert.equal(await manifestDigest(registry.url, name, '1'), digest);
    await checkImage(registry.url, name, digest);
  }
  assert.ok((await checkBlobFiles(registry.dataDir)) >= 5);
}

async function largestUpload(dataDir: string): Promise<number> {
  let largest = 0;
  for await (const path of glob('**/uploads/*', { cwd: dataDir })) {
    // An upload may be committed between the listing and this look at it.
    largest = Math.max(largest, (await stat(join(dataDir, path)).catch(() => ({ size: 0 }))).size);
  }
  return largest;
}

test(
  'killed in the middle of a large push by skopeo, the registry loses nothing and takes the same push again',
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const earlier = await pushEarlier(t, registry);
    const { skopeo } = await setUpSkopeo(t);
    const image = await makeBigImage(await imageFolder(t), SIZE);
    const source = `oci:${image.layout}:${image.refName}`;
    const target = `docker://${registry.host}/team/big:1`;
    const slow = await startSlowProxy(t, Number(new URL(registry.url).port), RATE);
    const slowly = `docker://127.0.0.1:${slow}/team/big:1`;

    const pushing = skopeo(['copy', source, slowly], { expectExit: 'any' });
    await waitUntil('a part has arrived', async () => (await largestUpload(registry.dataDir)) > KILLED_AT);
    await registry.kill();
    assert.notEqual((await pushing).exitCode, 0);

    await registry.restart();
    await checkEarlier(registry, earlier);
    assert.equal((await sendRequest(`${registry.url}/v2/team/big/manifests/1`)).status, 404);
    await skopeo(['copy', '--preserve-digests', source, target]);
    await checkImage(registry.url, 'team/big', image.digest);
    await checkEarlier(registry, earlier);
  },
);

test(
  'killed in the middle of a large stream, the registry lets the client go on where the upload stands',
  options,
  async (t) => {
    const registry = await startRegistry(t);
    const earlier = await pushEarlier(t, registry);
    const base = `${registry.url}/v2/team/stream`;
    const hash = createHash('sha256');
    await pipeline(pseudoRandomStream(SIZE, 'stream'), hash);
    const digest = `sha256:${hash.digest('hex')}`;

    const begun = await sendRequest(`${base}/blobs/uploads/`, { method: 'POST', body: '' });
    const url = new URL(begun.headers.location ?? '', base);
    const slowly = new URL(url);
    slowly.port = String(await startSlowProxy(t, Number(url.port), RATE));
    const sending = sendRequest(slowly.href, {
      method: 'PATCH',
      headers: { 'content-type': 'application/octet-stream' },
      body: pseudoRandomStream(SIZE, 'stream'),
    });
    const broken = assert.rejects(sending);
    await waitUntil('a part has arrived', async () => (await largestUpload(registry.dataDir)) > KILLED_AT);
    await registry.kill();
    await broken;

    await registry.restart();
    await checkEarlier(registry, earlier);
    assert.equal((await sendRequest(`${base}/blobs/${digest}`, { method: 'HEAD' })).status, 404);
    const state = await sendRequest(url.href);
    assert.equal(state.status, 204);
    const last = Number(/^0-(\d+)$/.exec(state.headers.range ?? '')?.[1]);
    // "0-0" is how an empty session is written.
    const start = last === 0 ? 0 : last + 1;
    const put = await putRest(url, digest, start);
    assert.equal(put.status, 201);
    assert.equal(await fetchDigest(`${base}/blobs/${digest}`), digest);
    await checkEarlier(registry, earlier);
  },
);

async function putRest(url: URL, digest: string, start: number): Promise<HttpAnswer> {
  const closing = new URL(url);
  closing.searchParams.append('digest', digest);
  async function* rest(): AsyncGenerator<Buffer> {
    let position = 0;
    for await (const chunk of pseudoRandomStream(SIZE, 'stream') as AsyncIterable<Buffer>) {
      const skipped = Math.min(chunk.length, Math.max(0, start - position));
      if (skipped < chunk.length) yield chunk.subarray(skipped);
      position += chunk.length;
    }
  }
  return sendRequest(closing.href, {
    method: 'PUT',
    headers: {
      'content-type': 'application/octet-stream',
      'content-range': `${start}-${SIZE - 1}`,
      'content-length': `${SIZE - start}`,
    },
    body: Readable.from(rest(), { objectMode: false }),
  });
}

test('every push that was acknowledged before a kill is whole after it', options, async (t) => {
  const registry = await startRegistry(t);
  const acknowledged = new Map<string, string>();
  for (let round = 0; round < 4; round += 1) {
    const clients = Array.from({ length: 4 }, (_, client) =>
      pushUntilKilled(registry, round, client, acknowledged),
    );
    // Where in a push the kill strikes is left to chance; the promise holds at every moment.
    const before = acknowledged.size;
    await waitUntil('a push was acknowledged', () => acknowledged.size > before);
    await sleep(100 + 100 * round);
    await registry.kill();
    await Promise.all(clients);
    await registry.restart();
    for (const [name, digest] of acknowledged) await checkImage(registry.url, name, digest);
    await checkBlobFiles(registry.dataDir);
  }
  assert.ok(acknowledged.size >= 4, `only ${acknowledged.size} pushes were acknowledged`);
});

/** Pushes small images one after another until the connection breaks, and notes those that were answered with 201. */
async function pushUntilKilled(
  registry: RegistryProcess,
  round: number,
  client: number,
  acknowledged: Map<string, string>,
): Promise<void> {
  for (let image = 0; ; image += 1) {
    const name = `crash/round-${round}/client-${client}/image-${image}`;
    try {
      acknowledged.set(name, await pushSmallImage(registry.url, name));
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return;
    }
  }
}

async function pushSmallImage(registryUrl: string, name: string): Promise<string> {
  const base = `${registryUrl}/v2/${name}`;
  const descriptors = [];
  for (const content of [Buffer.from(JSON.stringify({ name })), Buffer.alloc(50_000, name)]) {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    const put = await sendRequest(`${base}/blobs/uploads/?digest=${digest}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: content,
    });
    assert.equal(put.status, 201);
    descriptors.push({ digest, size: content.length });
  }
  const [config, layer] = descriptors;
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
  });
  const put = await sendRequest(`${base}/manifests/1`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: manifest,
  });
  assert.equal(put.status, 201);
  return `sha256:${createHash('sha256').update(manifest).digest('hex')}`;
}
