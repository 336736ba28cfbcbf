import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { chooseSnapshotter } from '../../../../runtime-agent/snapshots/choose-snapshotter.ts';
import { mountsUnder } from '../../../support/mounts.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

describe('chooseSnapshotter', { skip: unlessRoot() }, () => {
  it('leaves nothing of its trial', async (t) => {
    const directory = await makeTempDir(t);
    await chooseSnapshotter(directory, t.signal);
    assert.deepEqual(
      (await readdir(directory)).filter((name) => name.startsWith('trial')),
      [],
    );
    assert.deepEqual(await mountsUnder(directory), []);
  });

  it('mounts through loop devices where files cannot be mounted', async (t) => {
    const directory = await makeTempDir(t);
    const { snapshotter, layers, fallbackReason } = await chooseSnapshotter(directory, t.signal, ['loop']);
    assert.deepEqual([snapshotter.kind, layers], ['erofs', 'loop']);
    assert.match(fallbackReason ?? '', /through loop devices/);
    assert.deepEqual(await mountsUnder(directory), []);
  });

  it('falls back to unpacked layers, and says why', async (t) => {
    const directory = await makeTempDir(t);
    const programs = join(directory, 'programs');
    await mkdir(programs);
    await writeFile(join(programs, 'mkfs.erofs'), '#!/bin/sh\necho "<E> erofs: too old" >&2\nexit 1\n');
    await chmod(programs, 0o755);
    await chmod(directory, 0o755);
    await chmod(join(programs, 'mkfs.erofs'), 0o755);
    const path = process.env.PATH ?? '';
    t.after(() => {
      process.env.PATH = path;
    });
    process.env.PATH = `${programs}:${path}`;
    const { snapshotter, fallbackReason } = await chooseSnapshotter(join(directory), t.signal);
    assert.equal(snapshotter.kind, 'unpacked');
    assert.match(fallbackReason ?? '', /cannot be mounted without unpacking them: .*too old/);
  });
});
