import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limitWarnings } from '../../../../../runtime-agent/containers/plan/limit-warnings.ts';
import { hostConfig } from '../../../../support/container-requests.ts';

const V1 = { version: 1, swapLimit: true } as const;
const V2 = { version: 2, swapLimit: true } as const;

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

  it('are refused where somebody relies on them', () => {
    assert.throws(() => limitWarnings(hostConfig({ CpuRealtimeRuntime: 1 }), V2), { code: 'bad-request' });
    assert.deepEqual(limitWarnings(hostConfig({ CpuRealtimeRuntime: 1 }), V1), []);
  });
});
