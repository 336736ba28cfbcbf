import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JsonFields } from '../../../../../lib/json/json-fields.ts';
import { type HostConfig, showHostConfig } from '../../../../../runtime-agent/containers/host-config.ts';
import {
  changedHostConfig,
  changedResources,
} from '../../../../../runtime-agent/containers/plan/resources.ts';
import { decodeUpdateRequest } from '../../../../../runtime-agent/engine-api/decode/update-request.ts';
import { hostConfig } from '../../../../support/container-requests.ts';

const V1 = { version: 1, swapLimit: true } as const;
const MEGABYTE = 1 << 20;

describe('docker update', () => {
  it('changes what is given and leaves the rest', () => {
    const before = hostConfig({ CpuShares: 100, Memory: 64 * MEGABYTE, MemorySwap: 128 * MEGABYTE });
    const after = changedHostConfig(before, { CpuShares: 200, BlkioWeight: 300 });
    assert.deepEqual(after, {
      ...before,
      CpuShares: 200,
      BlockIo: { ...before.BlockIo, BlkioWeight: 300 },
    });
  });

  it('shows a limit of processes that was taken away as 0, and one that never was as null', () => {
    const shown = (config: HostConfig) =>
      (showHostConfig(config, { runtime: '', links: [] }) as { PidsLimit: unknown }).PidsLimit;
    const before = hostConfig({ PidsLimit: 32 });
    for (const [asked, after] of [
      [16, 16],
      [0, 0],
      [-1, 0],
      [-2, 0],
    ] as const) {
      assert.equal(shown(changedHostConfig(before, { PidsLimit: asked })), after);
    }
    assert.equal(shown(changedHostConfig(before, {})), 32);
    assert.equal(shown(hostConfig()), null);
    const body = new JsonFields({ PidsLimit: 16 });
    assert.deepEqual(decodeUpdateRequest(body).changes, { PidsLimit: 16 });
    assert.deepEqual(decodeUpdateRequest(body, false).changes, {}, 'older clients have no such limit');
  });

  it('leaves ulimits of a container that exists aside, with a warning', () => {
    const body = new JsonFields({ Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }], CpuShares: 200 });
    const { changes, warnings } = decodeUpdateRequest(body);
    assert.deepEqual(changes, { CpuShares: 200 });
    assert.deepEqual(warnings, ['Ulimits of an existing container do not change: create a new container']);
    assert.deepEqual(decodeUpdateRequest(new JsonFields({ Ulimits: [] })).warnings, []);
  });

  it('tells the runtime all limits of a kind that changes, and no other', () => {
    const changes = { Memory: 32 * MEGABYTE };
    const after = changedHostConfig(
      hostConfig({ CpuShares: 100, Memory: 64 * MEGABYTE, MemorySwap: 128 * MEGABYTE }),
      changes,
    );
    assert.deepEqual(changedResources(after, changes, V1), {
      memory: { limit: 32 * MEGABYTE, swap: 128 * MEGABYTE },
    });
    const policy = { RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } };
    assert.deepEqual(changedResources(changedHostConfig(hostConfig(), policy), policy, V1), {});
    assert.deepEqual(changedResources(hostConfig(), { PidsLimit: 0 }, V1), { pids: { limit: -1 } });
    assert.deepEqual(changedResources(hostConfig({ NanoCpus: 5e8 }), { NanoCpus: 5e8 }, V1), {
      cpu: { quota: 50_000, period: 100_000 },
    });
  });

  it('refuses what contradicts limits that are set', () => {
    for (const [before, changes, message] of [
      [{ CpuQuota: 1000 }, { NanoCpus: 1e9 }, /Nano CPUs cannot be updated as CPU Quota/],
      [{ CpuPeriod: 1000 }, { NanoCpus: 1e9 }, /Nano CPUs cannot be updated as CPU Period/],
      [{ NanoCpus: 1e9 }, { CpuQuota: 1000 }, /CPU Quota cannot be updated as NanoCPUs/],
      [{ NanoCpus: 1e9 }, { CpuPeriod: 1000 }, /CPU Period cannot be updated as NanoCPUs/],
      [{ MemorySwap: 10 }, { Memory: 11 }, /update the memoryswap at the same time/],
      [
        { AutoRemove: true },
        { RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } },
        /AutoRemove is enabled/,
      ],
    ] as const) {
      assert.throws(() => changedHostConfig(hostConfig(before), changes), { code: 'conflict', message });
    }
  });
});
