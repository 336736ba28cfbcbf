import { ConfigError } from '../../../lib/settings/config-error.ts';
import { withHostLock } from '../../networks/host-lock.ts';
import { planReset, type ResetPlan } from './plan-reset.ts';
import { readRemains } from './read-remains.ts';
import { removeRemains } from './remove-remains.ts';
import { thisOwner } from './run-owner.ts';

/** Lists leftovers of ended agents on this host, and with `yes` removes them. Throws ConfigError unless root. */
export async function reset({ yes }: { readonly yes: boolean }): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new ConfigError('reset looks at the network of this host: run it as root.');
  const here = await thisOwner('');
  await withHostLock(async () => {
    const plan = planReset(await readRemains(here), { unnoted: true });
    process.stdout.write(listing(plan, yes));
    if (yes) await removeRemains(plan);
  });
}

function listing({ folders, tables, bridges, kept }: ResetPlan, removed: boolean): string {
  const lines = [
    ...bridges.map((name) => `bridge ${name}`),
    ...tables.map((name) => `packet filter table inet ${name}`),
    ...folders.map(({ path, whole }) => `${whole ? 'folder' : 'mounts kept in'} ${path}`),
  ];
  const left = kept.map((path) => `in use, kept: ${path}`);
  if (lines.length === 0) return [...left, 'No agent has left anything on this host.', ''].join('\n');
  const end = removed
    ? 'This was removed.'
    : 'Nothing was removed: "berth-agent reset --yes" removes everything listed that is not in use.';
  return [...lines, ...left, end, ''].join('\n');
}
