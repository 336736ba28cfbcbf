import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { unmount } from '../../../../lib/linux/mount/mount.ts';
import {
  MAX_OVERLAY_LAYERS,
  mountOverlay,
  mountOverlayByContext,
  mountOverlayByNames,
  type OverlayRequest,
  takesSingleLayers,
} from '../../../../lib/linux/mount/mount-overlay.ts';
import { mountLibrary } from '../../../../lib/linux/mount-library.ts';
import { mountsUnder } from '../../../support/mounts.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

describe('mountOverlay', { skip: unlessRoot() }, () => {
  const { contexts } = mountLibrary();
  const ways = {
    'layer by layer': contexts && ((request: OverlayRequest) => mountOverlayByContext(contexts, request, [])),
    'by short names': (request: OverlayRequest) => mountOverlayByNames(request, []),
  };
  for (const [way, mountIt] of Object.entries(ways)) {
    it(`mounts ${MAX_OVERLAY_LAYERS} layers with long paths ${way}, the first on top`, {
      skip: mountIt === undefined && 'the C library has no fsopen',
    }, async (t) => {
      const request = await makeRequest(t, MAX_OVERLAY_LAYERS, 'n'.repeat(100));
      await mountIt?.(request);
      assert.equal(await readFile(join(request.target, 'top'), 'utf8'), '0');
      assert.equal(await readFile(join(request.target, `own-${MAX_OVERLAY_LAYERS - 1}`), 'utf8'), 'x');
      await writeFile(join(request.target, 'new'), 'mine');
      assert.equal(await readFile(join(request.upper, 'new'), 'utf8'), 'mine');
      assert.equal(await unmount(request.target, { detach: true }), true);
      assert.equal(await unmount(request.target, { detach: true }), false);
      assert.deepEqual(await mountsUnder(request.scratch), []);
    });

    it(`says what is wrong ${way}`, { skip: mountIt === undefined && 'no fsopen' }, async (t) => {
      const request = await makeRequest(t, 1, 'layer');
      await assert.rejects(
        mountIt?.({ ...request, work: join(request.scratch, 'nowhere') }) ?? Promise.reject(),
        {
          message: /^cannot mount the overlay on .*target: /,
        },
      );
      assert.deepEqual(await mountsUnder(request.scratch), []);
    });
  }

  it('refuses no layers and too many', async (t) => {
    const request = await makeRequest(t, 1, 'layer');
    const many = Array.from({ length: MAX_OVERLAY_LAYERS + 1 }, () => request.lower[0] ?? '');
    for (const lower of [[], many]) await assert.rejects(mountOverlay({ ...request, lower }), RangeError);
  });

  it('answers false for what is not mounted or not there', async (t) => {
    const folder = await makeTempDir(t);
    assert.equal(await unmount(folder, { detach: false }), false);
    assert.equal(await unmount(join(folder, 'nowhere'), { detach: true }), false);
  });
});

describe('takesSingleLayers', () => {
  it('goes by the release of the kernel', () => {
    for (const release of ['6.7.0', '6.12.38+deb13-amd64', '7.0-rc1', '10.1'])
      assert.ok(takesSingleLayers(release));
    for (const release of ['6.6.99', '6.1.0-37-amd64', '5.10.0', '']) assert.ok(!takesSingleLayers(release));
  });
});

async function makeRequest(t: TestContext, layers: number, name: string): Promise<OverlayRequest> {
  const scratch = await makeTempDir(t, 'overlay');
  const lower: string[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const folder = join(scratch, `${name}-${layer}`);
    await mkdir(folder);
    await writeFile(join(folder, 'top'), `${layer}`);
    await writeFile(join(folder, `own-${layer}`), 'x');
    lower.push(folder);
  }
  const request = {
    lower,
    upper: join(scratch, 'up'),
    work: join(scratch, 'work'),
    target: join(scratch, 'target'),
  };
  for (const folder of [request.upper, request.work, request.target]) await mkdir(folder);
  return { ...request, scratch };
}
