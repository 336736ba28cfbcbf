import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { chooseLayerStore } from '../../../../runtime-agent/snapshots/choose-layer-store.ts';
import { defer } from '../../../support/cleanup.ts';
import { mountsUnder } from '../../../support/mounts.ts';
import { runCommand } from '../../../support/run-command.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

describe('chooseLayerStore', { skip: unlessRoot() }, () => {
  it('leaves nothing of its trial', async (t) => {
    const directory = await makeTempDir(t);
    await chooseLayerStore(directory, t.signal);
    assert.deepEqual(
      (await readdir(directory)).filter((name) => name.startsWith('trial')),
      [],
    );
    assert.deepEqual(await mountsUnder(directory), []);
  });

  it('mounts through loop devices where files cannot be mounted', async (t) => {
    const directory = await makeTempDir(t);
    const { layerStore, layers, fallbackReason } = await chooseLayerStore(directory, t.signal, {
      candidates: ['loop'],
    });
    assert.deepEqual([layerStore.kind, layers], ['erofs', 'loop']);
    assert.match(fallbackReason ?? '', /through loop devices/);
    assert.deepEqual(await mountsUnder(directory), []);
  });

  it('falls back to unpacked layers, and says why', async (t) => {
    const directory = await makeTempDir(t);
    // From whose files the kernel mounts nothing.
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', directory]);
    defer(t, async () => {
      await runCommand('umount', [directory]);
    });
    const { layerStore, fallbackReason } = await chooseLayerStore(directory, t.signal, {
      candidates: ['file'],
    });
    assert.equal(layerStore.kind, 'unpacked');
    assert.match(fallbackReason ?? '', /cannot be mounted without unpacking them: cannot mount erofs on /);
  });
});
