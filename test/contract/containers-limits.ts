import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AgentContainers, runContainer } from '../support/agent-containers.ts';

const MEGABYTE = 1 << 20;

/** Limits of memory, processes and processors. */
export function describeLimits(name: string, agent: () => AgentContainers): void {
  describe(`${name}: limits`, () => {
    const sh = (script: string, host = {}) => runContainer(agent(), ['sh', '-c', script], { host });

    it('kills a process that exceeds its memory limit', async () => {
      const oom: string[] = [];
      const unsubscribe = agent().events.subscribe((event) => {
        if (event.action === 'oom') oom.push(event.id);
      });
      const { id, exitCode } = await runContainer(agent(), ['sh', '-c', 'exec tail -c 200000000 /dev/zero'], {
        host: { Memory: 20 * MEGABYTE },
      });
      unsubscribe();
      assert.equal(exitCode, 137);
      assert.equal((await agent().containers.get(id)).state.oomKilled, true);
      assert.deepEqual(oom, [id]);
    });

    it('reports no OOM kill for a container that ended otherwise', async () => {
      const { id } = await sh('kill -9 $$; exit 1', { Memory: 20 * MEGABYTE });
      assert.equal((await agent().containers.get(id)).state.oomKilled, false);
    });

    it('stops a fork bomb at the limit of processes', async () => {
      const { stdout, stderr } = await sh(
        'i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i+1)); done; echo never',
        { PidsLimit: 20 },
      );
      assert.match(stderr, /can't fork|Resource temporarily unavailable/);
      assert.equal(stdout, '');
    });

    it('writes the limits to the cgroup', async () => {
      const { stdout } = await sh(
        'cd /sys/fs/cgroup; if [ -e cgroup.controllers ]; then cat memory.max pids.max cpu.max; else ' +
          'cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares; fi',
        { Memory: 64 * MEGABYTE, NanoCpus: 500_000_000, PidsLimit: 30, CpuShares: 512 },
      );
      const expected = ['67108864', '134217728', '30', '50000', '100000', '512'];
      const unified = ['67108864', '30', '50000 100000'];
      const lines = stdout.trim().split('\n');
      assert.deepEqual(lines, lines.length === unified.length ? unified : expected);
    });
  });
}
