import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadLibc } from '../../../lib/linux/libc.ts';
import { unmount } from '../../../lib/linux/mount/mount.ts';
import { deleteLink } from '../../../lib/linux/network/links.ts';
import { NetlinkSocket } from '../../../lib/linux/network/netlink-socket.ts';
import { Nftables } from '../../../lib/linux/network/nftables.ts';
import { memoryFolder } from '../../fleet/instance-files.ts';
import { Forwarding } from '../../networks/kernel/forwarding.ts';
import type { ResetPlan } from './plan-reset.ts';

/** Carries out the plan. Bridges are removed before the tables that guard them. */
export async function removeRemains({ folders, tables, bridges }: ResetPlan): Promise<void> {
  if (bridges.length > 0) removeBridges(bridges);
  if (tables.length > 0) removeTables(tables);
  for (const { path: folder, whole } of folders) {
    // The namespace ends with its last holder, and with it all its mounts.
    await unmount(join(folder, 'mount-namespace'), { detach: true });
    await unmount(folder, { detach: true });
    if (!whole) continue;
    // Secrets first: without the folder their owner is unknown.
    await rm(memoryFolder(folder), { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

function removeBridges(bridges: readonly string[]): void {
  const socket = new NetlinkSocket(loadLibc());
  try {
    for (const name of bridges) deleteLink(socket, name);
  } finally {
    socket.close();
  }
  new Forwarding().settle({ bridges: { 4: [], 6: [] }, gone: bridges });
}

function removeTables(tables: readonly string[]): void {
  const filter = new Nftables();
  try {
    for (const name of tables) {
      const { ok, error } = filter.run(`add table inet ${name}\ndelete table inet ${name}\n`);
      if (!ok) throw new Error(`the table ${name} of the packet filter cannot be removed: ${error}`);
    }
  } finally {
    filter.close();
  }
}
