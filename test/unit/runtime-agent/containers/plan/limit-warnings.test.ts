import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { containerResources } from '../../../../../runtime-agent/containers/plan/resources.ts';
import { limitWarnings } from '../../../../../runtime-agent/containers/plan/validate-resources.ts';
import { hostConfig } from '../../../../support/container-requests.ts';

const V1 = { version: 1, swapLimit: true } as const;
const V2 = { version: 2, swapLimit: true } as const;
const BARE = { ...V2, missing: new Set(['memory', 'cpu', 'cpuset', 'pids'] as const) };

describe('limits that the cgroups of a host lack', () => {
  it('are told, in the words of dockerd', () => {
    assert.deepEqual(limitWarnings(hostConfig({ Memory: 1 << 30 }), V1), []);
    assert.match(
      limitWarnings(hostConfig({ Memory: 1 << 30 }), { ...V1, swapLimit: false })[0] ?? '',
      /Memory limited without swap/,
    );
    assert.deepEqual(limitWarnings(hostConfig({ MemorySwappiness: 0 }), V1), []);
    assert.match(limitWarnings(hostConfig({ MemorySwappiness: 0 }), V2)[0] ?? '', /swappiness discarded/);
    assert.match(
      limitWarnings(hostConfig({ OomKillDisable: true }), V2)[0] ?? '',
      /OomKillDisable discarded/,
    );
    assert.match(limitWarnings(hostConfig({ OomKillDisable: true }), V1)[0] ?? '', /no memory limit is set/);
    assert.deepEqual(limitWarnings(hostConfig({ OomKillDisable: true, Memory: 1 << 30 }), V1), []);
  });

  it('are told where the kernel has no controller for them', () => {
    const asked = hostConfig({ Memory: 1 << 30, NanoCpus: 5e8, CpuShares: 9, CpusetCpus: '0', PidsLimit: 9 });
    assert.deepEqual(
      limitWarnings(asked, BARE).map((text) =>
        text.replace(/Your kernel does not support | or the cgroup .*/g, ''),
      ),
      ['memory limit capabilities', 'CPU shares', 'CPU CFS scheduler', 'cpuset', 'PIDs limit capabilities'],
    );
    assert.deepEqual(limitWarnings(asked, V2), []);
    const { memory, cpu, pids } = containerResources(asked, BARE);
    assert.deepEqual([memory, cpu, pids], [undefined, undefined, undefined]);
    assert.deepEqual(containerResources(asked, V2).pids, { limit: 9 });
  });

  it('are refused where somebody relies on them', () => {
    assert.throws(() => limitWarnings(hostConfig({ CpuRealtimeRuntime: 1 }), V2), { code: 'bad-request' });
    assert.deepEqual(limitWarnings(hostConfig({ CpuRealtimeRuntime: 1 }), V1), []);
  });
});
