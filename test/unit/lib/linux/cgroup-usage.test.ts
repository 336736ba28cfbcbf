import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { readCgroupUsage } from '../../../../lib/linux/cgroups/cgroup-usage.ts';
import { listMembers } from '../../../../lib/linux/cgroups/cgroups.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

async function writeTree(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

describe('readCgroupUsage', () => {
  it('reads version 1', async (t) => {
    const root = await makeTempDir(t);
    await writeTree(root, {
      'cpuacct/berth/x/cpuacct.usage': '55591190\n',
      'cpuacct/berth/x/cpuacct.usage_percpu': '53214513 2376677 \n',
      'cpuacct/berth/x/cpuacct.stat': 'user 3\nsystem 2\n',
      'cpu/berth/x/cpu.stat': 'nr_periods 7\nnr_throttled 5\nthrottled_time 900\n',
      'memory/berth/x/memory.usage_in_bytes': '471040\n',
      'memory/berth/x/memory.max_usage_in_bytes': '5885952\n',
      'memory/berth/x/memory.limit_in_bytes': '67108864\n',
      'memory/berth/x/memory.failcnt': '4\n',
      'memory/berth/x/memory.stat': 'cache 0\nrss 102400\ntotal_inactive_file 4096\n',
      'pids/berth/x/pids.current': '2\n',
      'pids/berth/x/pids.max': 'max\n',
      'blkio/berth/x/blkio.throttle.io_service_bytes':
        '8:0 Read 4096\n8:0 Write 8192\n8:0 Discard 0\n8:0 Total 12288\nTotal 12288\n',
    });
    assert.deepEqual(await readCgroupUsage({ root, version: 1, swapLimit: true }, '/berth/x'), {
      cpu: {
        total: 55591190,
        user: 30_000_000,
        kernel: 20_000_000,
        perCpu: [53214513, 2376677],
        periods: 7,
        throttledPeriods: 5,
        throttledTime: 900,
      },
      memory: {
        usage: 471040,
        maxUsage: 5885952,
        failures: 4,
        limit: 67108864,
        stats: { cache: 0, rss: 102400, total_inactive_file: 4096 },
      },
      pids: { current: 2, limit: undefined },
      blockIo: {
        bytes: [
          { major: 8, minor: 0, op: 'read', value: 4096 },
          { major: 8, minor: 0, op: 'write', value: 8192 },
          { major: 8, minor: 0, op: 'discard', value: 0 },
          { major: 8, minor: 0, op: 'total', value: 12288 },
        ],
        operations: [],
      },
    });
  });

  it('reads version 2', async (t) => {
    const root = await makeTempDir(t);
    await writeTree(root, {
      'berth/x/cpu.stat':
        'usage_usec 500\nuser_usec 300\nsystem_usec 200\nnr_periods 7\nnr_throttled 5\nthrottled_usec 9\n',
      'berth/x/memory.current': '471040\n',
      'berth/x/memory.peak': '5885952\n',
      'berth/x/memory.max': 'max\n',
      'berth/x/memory.stat': 'anon 102400\ninactive_file 4096\n',
      'berth/x/pids.current': '2\n',
      'berth/x/pids.max': '50\n',
      'berth/x/io.stat':
        '8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n259:1 rbytes=1 wbytes=0 rios=1 wios=0\n',
    });
    assert.deepEqual(await readCgroupUsage({ root, version: 2, swapLimit: true }, '/berth/x'), {
      cpu: {
        total: 500_000,
        user: 300_000,
        kernel: 200_000,
        periods: 7,
        throttledPeriods: 5,
        throttledTime: 9_000,
      },
      memory: {
        usage: 471040,
        maxUsage: 5885952,
        limit: undefined,
        stats: { anon: 102400, inactive_file: 4096 },
      },
      pids: { current: 2, limit: 50 },
      blockIo: {
        bytes: [
          { major: 8, minor: 0, op: 'read', value: 4096 },
          { major: 8, minor: 0, op: 'write', value: 8192 },
          { major: 259, minor: 1, op: 'read', value: 1 },
          { major: 259, minor: 1, op: 'write', value: 0 },
        ],
        operations: [
          { major: 8, minor: 0, op: 'read', value: 1 },
          { major: 8, minor: 0, op: 'write', value: 2 },
          { major: 259, minor: 1, op: 'read', value: 1 },
          { major: 259, minor: 1, op: 'write', value: 0 },
        ],
      },
    });
  });

  it('is all zeros for a group that has gone', async (t) => {
    const root = await makeTempDir(t);
    for (const version of [1, 2] as const) {
      const { cpu, memory, pids } = await readCgroupUsage({ root, version, swapLimit: true }, '/berth/x');
      assert.deepEqual([cpu.total, memory.usage, memory.limit, pids.current], [0, 0, undefined, 0]);
    }
  });

  it('finds the processes of a group and of those below it', async (t) => {
    const root = await makeTempDir(t);
    await writeTree(root, {
      'cgroup.controllers': 'cpu memory\n',
      'berth/x/cgroup.procs': '12\n',
      'berth/x/inner/cgroup.procs': '7\n9\n',
      'berth/y/cgroup.procs': '99\n',
    });
    const layout = { root, version: 2, swapLimit: true } as const;
    assert.deepEqual(await listMembers(layout, '/berth/x'), [7, 9, 12]);
    assert.deepEqual(await listMembers(layout, '/berth/none'), []);
  });
});
