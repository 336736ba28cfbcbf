import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { Nftables } from '../../lib/linux/network/nftables.ts';
import { droppingChains } from '../networks/plan/ruleset.ts';
import { selectRuntime } from '../oci-runner/runtimes.ts';
import { chooseLayerStore } from '../snapshots/choose-layer-store.ts';
import type { HostReading } from './host-reading.ts';

type Trials = NonNullable<HostReading['trials']>;

/**
 * Runs a minimal container, mounts a minimal layer and creates a table in the packet filter, and removes everything
 * again. `folder` is on the file system that the agent will use. Call it as root, inside the agent's kind of mount
 * namespace.
 */
export async function tryHost(folder: string, signal: AbortSignal): Promise<Trials> {
  const scratch = await mkdtemp(join(folder, 'doctor-'));
  try {
    const runtime = await selectRuntime({
      workDirectory: join(scratch, 'runtime'),
      log: pino({ level: 'silent' }),
      signal,
    }).then(
      ({ name, version }) => ({ name, version }),
      (error: Error) => ({ failure: error.message }),
    );
    const { layers, fallbackReason } = await chooseLayerStore(scratch, signal);
    return {
      runtime,
      layers: { how: layers, ...(fallbackReason !== undefined && { fallbackReason }) },
      packetFilter: tryPacketFilter(),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function tryPacketFilter(): Trials['packetFilter'] {
  let filter: Nftables;
  try {
    filter = new Nftables();
  } catch (error) {
    return { failure: (error as Error).message };
  }
  try {
    const table = `inet berth_doctor_${process.pid}`;
    const { ok, error } = filter.run(
      `add table ${table}\n` +
        `add chain ${table} nat { type nat hook postrouting priority srcnat; }\n` +
        `add rule ${table} nat oifname "berth-doctor" masquerade\n` +
        `delete table ${table}\n`,
    );
    if (!ok) return { failure: error };
    return { droppingChains: droppingChains(filter.run('list chains').output) };
  } finally {
    filter.close();
  }
}
