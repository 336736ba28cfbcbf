import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type EngineErrorCode, isEngineError } from '../../runtime-agent/errors.ts';
import type { ImageUser } from '../../runtime-agent/images/images.ts';
import { openAgentImages } from '../support/agent-images.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { makeBigImage, makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

// What is expected here was read off Docker 26.1, but for `rmi -f` of an image that a stopped container uses:
// dockerd deletes it, this agent keeps it, untagged.
describe('images of the agent: names and removal', { skip: unlessRoot() }, () => {
  it('finds an image by tag, digest, ID and a prefix of it', async (t) => {
    const { agent, app, image, made } = await begin(t);
    const hex = image.id.slice('sha256:'.length);
    const names = [
      app,
      `${app.replace(/:[^:]*$/, '')}@${made.digest}`,
      image.id,
      hex,
      hex.slice(0, 12),
      hex.slice(0, 4),
    ];
    for (const name of [...names, `sha256:${hex.slice(0, 12)}`]) {
      assert.equal((await agent.images.get(name)).id, image.id, name);
    }
    const missing = {
      nope: 'No such image: nope:latest',
      'nope:2': 'No such image: nope:2',
      [`sha256:${'0'.repeat(64)}`]: `No such image: sha256:${'0'.repeat(64)}`,
      ['0'.repeat(64)]: `No such image: sha256:${'0'.repeat(64)}`,
    };
    for (const [name, message] of Object.entries(missing)) {
      await fails(agent.images.get(name), 'not-found', message);
    }
    await fails(agent.images.get('UP/../x'), 'bad-request', 'invalid reference format');
  });

  it('tags, moves a tag from one image to another, and tells of it', async (t) => {
    const { agent, app, image, registry } = await begin(t);
    await agent.images.tag(app, 'other');
    await agent.images.tag(image.id, 'host:5000/team/other:1');
    assert.deepEqual((await agent.images.get('other')).repoTags, [
      app,
      'other:latest',
      'host:5000/team/other:1',
    ]);
    const { image: second } = await agent.pull(`${registry.host}/team/app:big-300000-big`);
    await agent.images.tag(second.id, 'other:latest');
    assert.equal((await agent.images.get('other')).id, second.id);
    assert.deepEqual((await agent.images.get(image.id)).repoTags, [app, 'host:5000/team/other:1']);
    await fails(
      agent.images.tag(app, `a@sha256:${'0'.repeat(64)}`),
      'bad-request',
      'refusing to create a tag with a digest reference',
    );
    await fails(agent.images.tag('nope', 'x'), 'not-found', 'No such image: nope:latest');
    const events = agent.events.recent(0).map(({ action, id, attributes }) => [action, id, attributes.name]);
    assert.deepEqual(events.slice(0, 3), [
      ['pull', app, app.replace(/:[^:]*$/, '')],
      ['tag', image.id, 'other:latest'],
      ['tag', image.id, 'host:5000/team/other:1'],
    ]);
  });

  it('removes names one by one, and the image with its layers with the last', async (t) => {
    const { agent, app, byDigest, image } = await begin(t);
    await agent.images.tag(app, 'other:1');
    assert.deepEqual(await remove('other:1'), ['untagged other:1']);
    assert.equal((await agent.layerStore.list()).length, 1);
    assert.deepEqual(await remove(app), [
      `untagged ${app}`,
      `untagged ${byDigest}`,
      `deleted ${image.id}`,
      `deleted ${image.diffIds[0]}`,
    ]);
    assert.deepEqual(await agent.images.list(), []);
    assert.deepEqual(await agent.layerStore.list(), []);
    const events = agent.events.recent(0).map(({ action, id }) => [action, id]);
    // dockerd tells of a name, not of the digests that go with it.
    assert.deepEqual(events.slice(2), [
      ['untag', image.id],
      ['untag', image.id],
      ['delete', image.id],
    ]);

    async function remove(name: string) {
      return shown(await agent.images.remove(name, { force: false, users: [] }));
    }
  });

  it('removes by ID what has one name, and by force what has several', async (t) => {
    const { agent, app, byDigest, image } = await begin(t);
    await agent.images.tag(app, 'other:1');
    const remove = (force: boolean) => agent.images.remove(image.id.slice(7, 19), { force, users: [] });
    await fails(
      remove(false),
      'conflict',
      `conflict: unable to delete ${image.id.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
    );
    assert.deepEqual(shown(await remove(true)), [
      `untagged ${app}`,
      `untagged ${byDigest}`,
      'untagged other:1',
      `deleted ${image.id}`,
      `deleted ${image.diffIds[0]}`,
    ]);
  });

  it('keeps an image that a container uses', async (t) => {
    const { agent, app, byDigest, image } = await begin(t);
    const short = image.id.slice(7, 19);
    const user: ImageUser = {
      containerId: 'c'.repeat(64),
      imageId: image.id,
      imageName: app,
      running: false,
    };
    const remove = (name: string, force: boolean, running: boolean) =>
      agent.images.remove(name, { force, users: [{ ...user, running }] });
    const container = 'c'.repeat(12);
    const named = `conflict: unable to remove repository reference "${app}" (must force) - container ${container} is using its referenced image ${short}`;
    await fails(remove(app, false, false), 'conflict', named);
    await fails(remove(app, false, true), 'conflict', named);
    await fails(
      remove(image.id, false, false),
      'conflict',
      `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${container}`,
    );
    for (const force of [false, true]) {
      await fails(
        remove(image.id, force, true),
        'conflict',
        `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${container}`,
      );
    }
    assert.deepEqual(await agent.images.list(), [image]);
    assert.deepEqual(shown(await remove(app, true, true)), [`untagged ${app}`, `untagged ${byDigest}`]);
    assert.deepEqual((await agent.images.get(image.id)).repoTags, []);
    // A container that does not run keeps what it stands on, and not the image.
    await agent.overlays.mount('c', image.diffIds);
    assert.deepEqual(shown(await remove(image.id, true, false)), [`deleted ${image.id}`]);
    assert.deepEqual(await agent.images.list(), []);
    assert.equal((await agent.layerStore.list()).length, 1);
    await agent.overlays.remove('c');
    await agent.images.containerGone(image.id);
    assert.deepEqual(await agent.layerStore.list(), []);
  });

  it('keeps layers that other images or root file systems have', async (t) => {
    const { agent, app, image, registry } = await begin(t);
    const { image: big } = await agent.pull(`${registry.host}/team/app:big-300000-big`);
    assert.equal(big.diffIds[0], image.diffIds[0], 'the two share a layer');
    const own = big.diffIds[1] ?? '';
    await agent.overlays.mount('c', big.diffIds);
    assert.deepEqual(shown(await agent.images.remove(big.id, { force: false, users: [] })).slice(-1), [
      `deleted ${big.id}`,
    ]);
    assert.equal((await agent.layerStore.list()).length, 2);
    await agent.overlays.remove('c');
    await agent.images.sweep();
    assert.deepEqual(await agent.layerStore.list(), image.diffIds);
    assert.ok(!(await agent.layerStore.list()).some((diffId) => diffId === own));
    await agent.images.remove(app, { force: false, users: [] });
    assert.deepEqual(await agent.layerStore.list(), []);
  });

  it('does not take away a layer that a pull is about to use', async (t) => {
    const { agent, app, registry } = await begin(t);
    for (let round = 0; round < 10; round++) {
      const [{ image }] = await Promise.all([
        agent.pull(`${registry.host}/team/app:big-300000-big`),
        agent.images.remove(app, { force: false, users: [] }),
      ]);
      const here = await agent.layerStore.list();
      assert.deepEqual(
        image.diffIds.filter((diffId) => !here.includes(diffId)),
        [],
        `round ${round}`,
      );
      await agent.pull(app);
      await agent.images.remove(image.id, { force: true, users: [] });
    }
  });
});

async function begin(t: TestContext) {
  const folder = await imageFolder(t);
  const made = await makeBusyboxImage(folder);
  const registry = await startScriptedRegistry(t, made, await makeBigImage(folder, 300_000));
  const agent = await openAgentImages(t);
  const app = `${registry.host}/team/app:${made.refName}`;
  const { image } = await agent.pull(app);
  return { agent, registry, made, app, image, byDigest: `${registry.host}/team/app@${made.digest}` };
}

async function fails(promise: Promise<unknown>, code: EngineErrorCode, message: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isEngineError(error), String(error));
    assert.deepEqual([error.code, error.message], [code, message]);
    return true;
  });
}

function shown(removals: readonly ({ readonly untagged: string } | { readonly deleted: string })[]) {
  return removals.map((one) => ('untagged' in one ? `untagged ${one.untagged}` : `deleted ${one.deleted}`));
}
