import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Digest } from '../../oci/digest.ts';
import { openAgentImages } from '../support/agent-images.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { writeTar } from '../support/tar-writer.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

const never = new AbortController().signal;

describe('images in the making', { skip: unlessRoot() }, () => {
  it('keep their layers from sweeps until they are released, and for good once they are recorded', async (t) => {
    const agent = await openAgentImages(t);
    const pending = agent.pendingImages.begin();
    const first = await pending.addLayer(tarOf('first'), never);
    const second = await pending.addLayer(tarOf('second'), never, digestOf('second'));
    assert.deepEqual([first, second], [digestOf('first'), digestOf('second')]);
    await agent.images.sweep();
    assert.deepEqual([...(await agent.layerStore.list())].sort(), [first, second].sort());

    const config = configOf([first]);
    const image = await pending.finish({ config });
    assert.equal(image.id, sha256(config));
    assert.deepEqual([image.repoTags, image.diffIds], [[], [first]]);
    assert.equal(agent.pendingImages.isPending(image.id), true);
    await pending.release();
    await pending.release();
    assert.equal(agent.pendingImages.isPending(image.id), false);
    assert.deepEqual(await agent.layerStore.list(), [first], 'what came into no image is gone');

    const later = await agent.restart();
    assert.deepEqual(await later.images.get(image.id), image);
    assert.deepEqual(Buffer.from(await later.pendingImages.readConfig(image.id)), config);
    await later.images.remove(image.id, { force: false, users: [] });
    assert.deepEqual(await later.layerStore.list(), []);
  });

  it('share the layers of other images, and take names over', async (t) => {
    const { pendingImages, images, layerStore } = await openAgentImages(t);
    const name = { registry: 'docker.io', repository: 'library/app', tag: '1' };
    const one = pendingImages.begin();
    const base = await one.addLayer(tarOf('base'), never);
    const parent = await one.finish({ config: configOf([base]), names: [name] });
    await one.release();

    const two = pendingImages.begin();
    await two.keepLayers(parent.diffIds);
    const top = await two.addLayer(tarOf('top'), never);
    assert.equal(await two.addLayer(tarOf('top'), never), top);
    await images.remove(parent.id, { force: false, users: [] });
    const child = await two.finish({ config: configOf([base, top, base]), names: [name] });
    await two.release();
    assert.deepEqual((await images.get('app:1')).id, child.id);
    assert.deepEqual([...(await layerStore.list())].sort(), [base, top].sort());
  });

  it('refuse what is no image, and leave nothing of it', async (t) => {
    const { pendingImages, images, layerStore } = await openAgentImages(t);
    const pending = pendingImages.begin();
    const layer = await pending.addLayer(tarOf('layer'), never);
    const missing = digestOf('missing');
    await assert.rejects(pending.keepLayers([missing]), { code: 'not-found' });
    await assert.rejects(pending.finish({ config: configOf([layer, missing]) }), { code: 'not-found' });
    await assert.rejects(pending.finish({ config: Buffer.from('{}') }), { code: 'bad-request' });
    await assert.rejects(pending.finish({ config: Buffer.from('[') }), { code: 'bad-request' });
    await assert.rejects(pending.addLayer(tarOf('lie'), never, digestOf('truth')), { code: 'bad-request' });
    await assert.rejects(pendingImages.readConfig(missing), { code: 'not-found' });
    await pending.release();
    assert.deepEqual(await images.list(), []);
    assert.deepEqual(await layerStore.list(), []);
  });

  it('have no layer over the limit, nor have pulled images', async (t) => {
    const folder = await imageFolder(t);
    const registry = await startScriptedRegistry(t, await makeBusyboxImage(folder));
    const agent = await openAgentImages(t, undefined, { layerLimit: 1_000_000 });
    const pulling = agent.pull(`${registry.host}/team/app:busybox`);
    const message = /more than 1000000 bytes uncompressed: start the agent with a larger --layer-limit/;
    await assert.rejects(pulling, { code: 'bad-request', message });
    const pending = agent.pendingImages.begin();
    await pending.addLayer(tarOf('small'), never);
    const large = async function* () {
      yield writeTar([{ name: 'large', type: 'file', content: Buffer.alloc(1_000_000) }]);
    };
    await assert.rejects(pending.addLayer(large(), never), { code: 'bad-request', message });
    await pending.release();
    assert.deepEqual(await agent.layerStore.list(), []);
  });

  it('two pending images with one layer each keep it', async (t) => {
    const { pendingImages, layerStore } = await openAgentImages(t);
    const one = pendingImages.begin();
    const two = pendingImages.begin();
    const layer = await one.addLayer(tarOf('shared'), never);
    await two.addLayer(tarOf('shared'), never);
    await one.release();
    assert.equal(await layerStore.has(layer), true);
    await two.finish({ config: configOf([layer]) });
    await two.release();
    assert.equal(await layerStore.has(layer), true);
  });
});

function layerOf(name: string): Buffer {
  return writeTar([{ name, type: 'file', content: name }]);
}

async function* tarOf(name: string): AsyncGenerator<Uint8Array> {
  yield layerOf(name);
}

function digestOf(name: string): Digest {
  return sha256(layerOf(name));
}

function configOf(diffIds: readonly Digest[]): Buffer {
  const config = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIds } };
  return Buffer.from(JSON.stringify(config));
}

function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
