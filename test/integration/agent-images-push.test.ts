import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { isEngineError } from '../../runtime-agent/errors.ts';
import type { PushProgress } from '../../runtime-agent/images/push/image-push.ts';
import { openAgentImages } from '../support/agent-images.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { imageFolder } from '../support/image-cache.ts';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { listTree } from '../support/list-tree.ts';
import { readBlob, readManifest } from '../support/oci-layout.ts';
import { pushLayout } from '../support/push-layout.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { writeTar } from '../support/tar-writer.ts';
import type { TestImage } from '../support/test-image.ts';
import { makeBigImage, makeBusyboxImage, makeDockerSchema2Image } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

const hostOf = ({ url }: InProcessRegistry) => new URL(url).host;

/** What became of each layer, the steps that only count left out. */
function states(steps: readonly PushProgress[]): readonly string[] {
  const seen = steps.flatMap((step) => {
    if (step.kind !== 'layer') return [step.kind];
    return step.current === undefined ? [step.state + (step.from === undefined ? '' : ` ${step.from}`)] : [];
  });
  return seen;
}

async function fetchManifest(registry: InProcessRegistry, path: string): Promise<Buffer> {
  const answer = await registry.send('GET', `/v2/${path}`);
  assert.equal(answer.status, 200, answer.body.toString());
  return answer.body;
}

/** An agent that has pulled `image` from a registry that is gone since. */
async function pulled(t: TestContext, image: TestImage, options: { keepLayerBlobs?: boolean } = {}) {
  const source = await startInProcessRegistry(t);
  const agent = await openAgentImages(t, undefined, options);
  const reference = `${hostOf(source)}/team/source:1`;
  await pushLayout(image, reference);
  await agent.pull(reference);
  await source.stop();
  return { agent, reference };
}

describe('images of the agent: push', { skip: unlessRoot() }, () => {
  it('sends what was pulled with the same digests, byte for byte', async (t) => {
    const folder = await imageFolder(t);
    const target = await startInProcessRegistry(t);
    const images = [
      await makeBusyboxImage(folder),
      await makeBusyboxImage(folder, 'zstd'),
      await makeBusyboxImage(folder, 'none'),
      await makeDockerSchema2Image(folder),
      await makeBigImage(folder, 3_000_000),
    ];
    for (const [index, image] of images.entries()) {
      const { agent, reference } = await pulled(t, image);
      const name = `${hostOf(target)}/copy/app${index}`;
      await agent.images.tag(reference, `${name}:1`);
      const steps = await agent.push(name, { tag: '1' });
      assert.deepEqual(steps.at(-1), {
        kind: 'pushed',
        tag: '1',
        digest: image.digest,
        size: (await readBlob(image.layout, image.digest)).length,
      });
      assert.equal(states(steps).filter((state) => state === 'compressed-anew').length, 0);
      const manifest = await fetchManifest(target, `copy/app${index}/manifests/1`);
      assert.ok(manifest.equals(await readBlob(image.layout, image.digest)));
      const { repoDigests } = await agent.images.get(`${name}:1`);
      assert.ok(repoDigests.includes(`${name}@${image.digest}`));
      const again = await openAgentImages(t);
      assert.equal((await again.pull(`${name}:1`)).image.manifestDigest, image.digest);
    }
  });

  it('sends nothing that is there, and takes over what another repository has', async (t) => {
    const image = await makeBigImage(await imageFolder(t), 300_000);
    const registry = await startInProcessRegistry(t);
    const agent = await openAgentImages(t);
    await pushLayout(image, `${hostOf(registry)}/team/source:1`);
    await agent.pull(`${hostOf(registry)}/team/source:1`);
    const source = `${hostOf(registry)}/team/source`;
    await agent.images.tag(`${source}:1`, `${source}:2`);
    await agent.images.tag(`${source}:1`, `${hostOf(registry)}/team/other:1`);
    const counts = ['preparing', 'preparing'];
    assert.deepEqual(states(await agent.push(source, { tag: '2' })), [
      'pushing-to',
      ...counts,
      'already-exists',
      'already-exists',
      'pushed',
    ]);
    assert.deepEqual(states(await agent.push(`${hostOf(registry)}/team/other`, { tag: '1' })), [
      'pushing-to',
      ...counts,
      'mounted team/source',
      'mounted team/source',
      'pushed',
    ]);
    const uploads = registry.logged.filter((line) => line.includes('"PATCH"'));
    assert.equal(uploads.length, 1, 'the configuration alone');
  });

  it('sends all tags of a repository where none is named', async (t) => {
    const image = await makeBusyboxImage(await imageFolder(t));
    const { agent, reference } = await pulled(t, image);
    const target = await startInProcessRegistry(t);
    const name = `${hostOf(target)}/copy/app`;
    for (const tag of ['a', 'b']) await agent.images.tag(reference, `${name}:${tag}`);
    const steps = await agent.push(name);
    const tags = steps.flatMap((step) => (step.kind === 'pushed' ? [step.tag] : []));
    assert.deepEqual(tags.toSorted(), ['a', 'b']);
    for (const tag of tags) await fetchManifest(target, `copy/app/manifests/${tag}`);
  });

  it('compresses a layer whose compressed form is not here once, says so, and remembers it', async (t) => {
    const image = await makeBigImage(await imageFolder(t), 3_000_000);
    const { agent, reference } = await pulled(t, image, { keepLayerBlobs: false });
    const [first, second] = [await startInProcessRegistry(t), await startInProcessRegistry(t)];
    const names = [first, second].map((registry) => `${hostOf(registry)}/copy/app`) as [string, string];
    for (const name of names) await agent.images.tag(reference, `${name}:1`);
    const steps = await agent.push(names[0], { tag: '1' });
    assert.equal(states(steps).filter((state) => state === 'compressed-anew').length, 2);
    assert.ok(steps.some((step) => step.kind === 'layer' && step.state === 'preparing' && step.current));
    const { image: fetched } = await (await openAgentImages(t)).pull(`${names[0]}:1`);
    const { manifestDigest, id } = await agent.images.get(`${names[0]}:1`);
    assert.equal(fetched.manifestDigest, manifestDigest);
    assert.notEqual(manifestDigest, image.digest);
    assert.equal(fetched.id, id);
    const restarted = await agent.restart();
    const later = await restarted.push(names[1], { tag: '1' });
    assert.ok(!later.some((step) => step.kind === 'compressed-anew'));
    assert.ok(!later.some((step) => step.kind === 'layer' && step.state === 'preparing' && step.current));
    assert.equal(later.at(-1)?.kind === 'pushed' && later.at(-1)?.kind, 'pushed');
    assert.ok(
      (await fetchManifest(second, 'copy/app/manifests/1')).equals(
        await fetchManifest(first, 'copy/app/manifests/1'),
      ),
    );
  });

  it('says of no other digest where the image has none yet, though its layers were pulled once', async (t) => {
    const image = await makeBusyboxImage(await imageFolder(t));
    const { agent, reference } = await pulled(t, image, { keepLayerBlobs: false });
    const base = await agent.images.get(reference);
    const target = await startInProcessRegistry(t);
    const config = JSON.parse(Buffer.from(await agent.pendingImages.readConfig(base.id)).toString());
    // As it is loaded from an archive.
    const pending = agent.pendingImages.begin();
    await pending.keepLayers(base.diffIds);
    const name = { registry: hostOf(target), repository: 'loaded/app', tag: '1' };
    const bytes = Buffer.from(JSON.stringify({ ...config, author: 'somebody else' }));
    await pending.finish({ config: bytes, names: [name] });
    await pending.release();
    const steps = await agent.push(`${hostOf(target)}/loaded/app`, { tag: '1' });
    assert.ok(!steps.some((step) => step.kind === 'compressed-anew'));
    assert.ok(steps.some((step) => step.kind === 'layer' && step.state === 'preparing' && step.current));
  });

  it('compresses what was made here once, over a base that stays as it is', async (t) => {
    const image = await makeBusyboxImage(await imageFolder(t));
    const { agent, reference } = await pulled(t, image);
    const base = await agent.images.get(reference);
    const pending = agent.pendingImages.begin();
    await pending.keepLayers(base.diffIds);
    const tar = writeTar([{ name: 'made', type: 'file', content: 'here\n'.repeat(500_000) }]);
    const diffId = await pending.addLayer(Readable.from([tar]), t.signal);
    const config = JSON.parse(Buffer.from(await agent.pendingImages.readConfig(base.id)).toString());
    config.rootfs.diff_ids.push(diffId);
    const targets = [await startInProcessRegistry(t), await startInProcessRegistry(t)] as const;
    const names = targets.map((target) => ({ registry: hostOf(target), repository: 'made/app', tag: '1' }));
    const made = await pending.finish({ config: Buffer.from(JSON.stringify(config)), names });
    await pending.release();
    const steps = await agent.push(`${hostOf(targets[0])}/made/app`, { tag: '1' });
    assert.ok(!steps.some((step) => step.kind === 'compressed-anew'));
    const manifest = await fetchManifest(targets[0], 'made/app/manifests/1');
    const { layers } = JSON.parse(manifest.toString());
    assert.equal(layers[0].digest, (await readManifest(image.layout, image.digest)).layers?.[0]?.digest);
    assert.match(layers[1].mediaType, /tar\+gzip$/);
    assert.ok(layers[1].size < tar.length / 10);
    const { image: fetched } = await (await openAgentImages(t)).pull(`${hostOf(targets[0])}/made/app:1`);
    assert.equal(fetched.id, made.id);
    const again = await agent.push(`${hostOf(targets[1])}/made/app`, { tag: '1' });
    assert.ok(!again.some((step) => step.kind === 'layer' && step.state === 'preparing' && step.current));
    assert.ok((await fetchManifest(targets[1], 'made/app/manifests/1')).equals(manifest));
  });

  it('gives the room of compressed layers back with the image', async (t) => {
    const image = await makeBigImage(await imageFolder(t), 300_000);
    const { agent, reference } = await pulled(t, image);
    const content = async () =>
      (await listTree(agent.dataDirectory)).filter((path) => /content\/.*sha256/.test(path));
    assert.ok((await content()).length >= 4);
    await agent.images.remove(reference, { force: false, users: [] });
    const left = (await content()).filter((path) => /[0-9a-f]{64}/.test(path));
    assert.deepEqual(left, []);
    assert.deepEqual(await agent.layerStore.list(), []);
  });

  it('goes on where a connection was cut', async (t) => {
    const image = await makeBigImage(await imageFolder(t), 20_000_000);
    const { agent, reference } = await pulled(t, image);
    const target = await startInProcessRegistry(t);
    const proxy = await startCuttingProxy(t, target.port, { cuts: 2, after: 6_000_000 });
    const name = `${proxy.host}/copy/app`;
    await agent.images.tag(reference, `${name}:1`);
    await agent.push(name, { tag: '1' });
    assert.equal(proxy.cuts(), 2);
    const { image: fetched } = await (await openAgentImages(t)).pull(`${hostOf(target)}/copy/app:1`);
    assert.equal(fetched.manifestDigest, image.digest);
    const resumed = target.logged.filter((line) => line.includes('"PATCH"')).map((line) => JSON.parse(line));
    assert.ok(resumed.length >= 3, 'an upload went on with a further request');
  });

  it('stops when its caller has gone, and takes the upload back', async (t) => {
    const image = await makeBigImage(await imageFolder(t), 20_000_000);
    const { agent, reference } = await pulled(t, image);
    const target = await startInProcessRegistry(t);
    const name = `${hostOf(target)}/copy/app`;
    await agent.images.tag(reference, `${name}:1`);
    const gone = new AbortController();
    const push = agent.push(name, {
      tag: '1',
      signal: gone.signal,
      progress: (step) => {
        if (step.kind === 'layer' && step.state === 'pushing' && (step.current ?? 0) > 1_000_000) {
          gone.abort(new Error('gone'));
        }
      },
    });
    await assert.rejects(push, /gone/);
    assert.equal((await target.send('GET', '/v2/copy/app/manifests/1')).status, 404);
    await waitUntil('the upload is taken back', () =>
      target.logged.some((line) => line.includes('"DELETE"')),
    );
    assert.equal((await agent.push(name, { tag: '1' })).at(-1)?.kind, 'pushed');
  });

  it('logs in, and gets new tokens when they have ended', async (t) => {
    const image = await makeBigImage(await imageFolder(t), 3_000_000);
    const { agent, reference } = await pulled(t, image);
    const target = await startRegistryWithAccounts(t, {
      tokens: { challenge: 'bearer', issuer: 'berth', life: 1, services: ['berth'] },
    });
    const name = `${hostOf(target)}/copy/app`;
    await agent.images.tag(reference, `${name}:1`);
    await assert.rejects(agent.push(name, { tag: '1' }), (error) => {
      assert.ok(isEngineError(error));
      return error.code === 'unauthorized';
    });
    const credentials = { username: 'admin', password: ADMIN_PASSWORD };
    const steps = await agent.push(name, { tag: '1', credentials });
    assert.deepEqual(steps.at(-1)?.kind === 'pushed' && steps.at(-1), {
      kind: 'pushed',
      tag: '1',
      digest: image.digest,
      size: (await readBlob(image.layout, image.digest)).length,
    });
  });

  it('refuses what is not there, and what is no name', async (t) => {
    const agent = await openAgentImages(t);
    await assert.rejects(agent.push('127.0.0.1:1/team/app', { tag: '1' }), {
      code: 'not-found',
      message: 'An image does not exist locally with the tag: 127.0.0.1:1/team/app',
    });
    await assert.rejects(agent.push(`127.0.0.1:1/team/app@sha256:${'a'.repeat(64)}`), {
      code: 'bad-request',
      message: 'cannot push a digest reference',
    });
    await assert.rejects(agent.push('Team/App', { tag: '1' }), { code: 'bad-request' });
  });
});
