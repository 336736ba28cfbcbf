import { withHostLock } from '../../networks/host-lock.ts';
import { runDirectory } from '../run-directory.ts';
import { planReset } from './plan-reset.ts';
import { noteOwner, thisOwner } from './run-owner.ts';

/**
 * Registers the agent of this data folder, and removes folders, bridges and tables of killed agents. Their next start
 * recreates them. Does nothing the second time, when the process is in the agent's mount namespace. Leftovers that
 * cannot be removed do not stop the agent from starting.
 */
export async function clearRemains(dataDirectory: string): Promise<void> {
  const own = runDirectory(dataDirectory);
  const here = await thisOwner(dataDirectory);
  await withHostLock(async () => {
    if (!(await noteOwner(own, here))) return;
    const { readFolders, readRemains } = await import('./read-remains.ts');
    const isLeft = (await readFolders(here)).some(
      ({ path, inUse, isNoted, isPinned, hasData }) =>
        path !== own && isNoted && !inUse && (isPinned || !hasData),
    );
    // Usually there is nothing to remove, so the code of the packet filter is not loaded.
    if (!isLeft) return;
    try {
      const { removeRemains } = await import('./remove-remains.ts');
      await removeRemains(planReset(await readRemains(here), { unnoted: false }));
    } catch (error) {
      process.stderr.write(
        `berth-agent: leftovers of other agents cannot be removed: ${(error as Error).message}; "berth-agent reset" lists it.\n`,
      );
    }
  });
}
