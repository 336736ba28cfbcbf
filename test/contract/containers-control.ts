import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { readCgroupUsage } from '../../lib/linux/cgroups/cgroup-usage.ts';
import { detectCgroups } from '../../lib/linux/cgroups/cgroups.ts';
import { containerCgroup } from '../../runtime-agent/containers/plan/resources.ts';
import type { EngineError } from '../../runtime-agent/errors.ts';
import type { AgentContainers } from '../support/agent-containers.ts';
import { containerConfig, hostConfig } from '../support/container-requests.ts';
import { waitUntil } from '../support/wait-until.ts';

const MEGABYTE = 1 << 20;

/** Pausing, renaming, changing limits, and what containers use. */
export function describeControl(name: string, agent: () => AgentContainers): void {
  describe(`${name}: control`, () => {
    const open = async (command: readonly string[] = ['sleep', '10000'], limits = {}) => {
      const { containers } = agent();
      const { id } = await containers.create({
        config: containerConfig(command),
        hostConfig: hostConfig(limits),
      });
      await containers.start(id);
      const status = async () => (await containers.get(id)).state.status;
      return { id, containers, status, remove: () => containers.remove(id, { force: true, volumes: false }) };
    };

    it('lets a container stand still and go on', async () => {
      const { id, containers, status, remove } = await open(['sh', '-c', 'while :; do :; done']);
      const spent = async () => (await containers.stats.sample(id))?.cpu.total ?? 0;
      await waitUntil('it works', async () => (await spent()) > 0);
      await containers.control.pause(id);
      assert.equal(await status(), 'paused');
      // Slices from before it stood still may be counted a moment later.
      let before = await spent();
      await waitUntil('it stands still', async () => {
        const last = before;
        await new Promise((resolve) => setTimeout(resolve, 200));
        before = await spent();
        return before === last;
      });
      await assert.rejects(containers.control.pause(id), { code: 'conflict' });
      await containers.control.unpause(id);
      assert.equal(await status(), 'running');
      await waitUntil('it works again', async () => (await spent()) > before);
      await assert.rejects(containers.control.unpause(id), { code: 'runtime' });
      await containers.control.pause(id);
      await containers.stop(id, { timeout: 0 });
      assert.equal(await status(), 'exited');
      await remove();
    });

    it('commits, and changes, one whose end is not recorded yet', async () => {
      const { id, containers, remove } = await open();
      const { pid } = (await containers.get(id)).state;
      const isOver = () => /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
      const queued: Promise<unknown>[] = [];
      const signal = AbortSignal.timeout(120_000);
      await containers.trees.withLayer(id, { pause: false }, signal, async () => {
        // Their turns come before that of the end.
        queued.push(
          containers.trees.withLayer(id, { pause: true }, signal, async () => 'layer'),
          containers.control.update(id, { PidsLimit: 50 }),
          containers.control.pause(id).catch((error: EngineError) => error.code),
        );
        process.kill(pid, 'SIGKILL');
        await waitUntil('it has ended', async () => !existsSync(`/proc/${pid}`) || isOver());
      });
      assert.deepEqual(await Promise.all(queued), ['layer', [], 'conflict']);
      assert.equal((await containers.get(id)).hostConfig.PidsLimit, 50);
      await remove();
    });

    it('changes limits at once and for later runs', async () => {
      const { id, containers, remove } = await open();
      const limits = async () => {
        const container = await containers.get(id);
        const { memory, pids } = await readCgroupUsage(detectCgroups(), containerCgroup(container));
        return { memory: memory.limit, pids: pids.limit };
      };
      const { control } = containers;
      assert.deepEqual(
        await control.update(id, { Memory: 64 * MEGABYTE, MemorySwap: 64 * MEGABYTE, PidsLimit: 50 }),
        [],
      );
      assert.deepEqual(await limits(), { memory: 64 * MEGABYTE, pids: 50 });
      // Both ways, as memory and its swap bound each other.
      await control.update(id, { Memory: 256 * MEGABYTE, MemorySwap: 512 * MEGABYTE });
      await control.update(id, { Memory: 32 * MEGABYTE, MemorySwap: 32 * MEGABYTE, PidsLimit: -1 });
      assert.deepEqual(await limits(), { memory: 32 * MEGABYTE, pids: undefined });
      await assert.rejects(control.update(id, { Memory: MEGABYTE }), { code: 'bad-request' });
      await assert.rejects(control.update(id, { Memory: 64 * MEGABYTE }), { code: 'conflict' });
      assert.deepEqual(await limits(), { memory: 32 * MEGABYTE, pids: undefined });
      await containers.stop(id, { timeout: 0 });
      await control.update(id, { PidsLimit: 20 });
      await containers.start(id);
      assert.deepEqual(await limits(), { memory: 32 * MEGABYTE, pids: 20 });
      await remove();
    });

    it('gives a container another name, which the next one may take again', async () => {
      const { id, containers, remove } = await open();
      await containers.control.rename(id, 'cutter');
      assert.equal((await containers.get('cutter')).id, id);
      const other = await open();
      await assert.rejects(containers.control.rename(other.id, 'cutter'), { code: 'conflict' });
      await containers.control.rename(id, 'sloop');
      await containers.control.rename(other.id, 'cutter');
      assert.equal((await containers.get('cutter')).id, other.id);
      await remove();
      await other.remove();
    });
  });
}
