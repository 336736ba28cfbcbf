import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { countOomKills, destroyCgroup, detectCgroups } from '../../../../lib/linux/cgroups/cgroups.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

async function writeTree(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true });
    await writeFile(join(root, name), content);
  }
}

describe('cgroups', () => {
  it('of version 2 are mounted at the root', async (t) => {
    const root = await makeTempDir(t, 'cgroup');
    await writeTree(root, {
      'cgroup.controllers': 'cpuset cpu io memory pids\n',
      'agent.slice/memory.swap.max': 'max\n',
      'berth/x/memory.events': 'low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n',
    });
    assert.deepEqual(detectCgroups(root, '0::/agent.slice\n'), { root, version: 2, swapLimit: true });
    assert.deepEqual(detectCgroups(root, '0::/other\n'), { root, version: 2, swapLimit: false });
    assert.deepEqual(detectCgroups(root, '0::/\n'), { root, version: 2, swapLimit: true });
    const layout = detectCgroups(root, '0::/\n');
    assert.equal(await countOomKills(layout, '/berth/x'), 2);
    assert.equal(await countOomKills(layout, '/berth/y'), 0);
  });

  it('of version 2 may lack controllers', async (t) => {
    const root = await makeTempDir(t, 'cgroup');
    await writeTree(root, { 'cgroup.controllers': 'hugetlb cpu\n' });
    assert.deepEqual(detectCgroups(root, '0::/\n').missing, new Set(['memory', 'cpuset', 'pids']));
  });

  it('of version 1 are many hierarchies, also with version 2 beside them', async (t) => {
    const root = await makeTempDir(t, 'cgroup');
    await writeTree(root, {
      'unified/cgroup.controllers': 'hugetlb\n',
      'memory/memory.memsw.limit_in_bytes': '1\n',
      'memory/berth/x/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 4\n',
    });
    const layout = detectCgroups(root, '');
    const missing = new Set(['cpu', 'cpuset', 'pids']);
    assert.deepEqual(layout, { root, version: 1, swapLimit: true, missing });
    assert.equal(await countOomKills(layout, '/berth/x'), 4);
    assert.equal(await countOomKills(layout, '/berth/y'), 0);
  });

  it('that are no groups but files in the place of an unmounted hierarchy go too', async (t) => {
    const root = await makeTempDir(t, 'cgroup');
    await writeTree(root, { 'unified/berth/x/cgroup.procs': '12', 'unified/berth/y/cgroup.procs': '13' });
    await destroyCgroup(detectCgroups(root, ''), '/berth/x');
    assert.equal(existsSync(join(root, 'unified/berth/x')), false);
    assert.equal(existsSync(join(root, 'unified/berth/y')), true);
  });
});
