import { lstat, lutimes, readdir } from 'node:fs/promises';
import { removeTree } from '../../../../lib/linux/files/remove-tree.ts';
import { EngineError } from '../../../errors.ts';
import type { ArchiveLimits } from '../receive-archive.ts';
import { type GitPlace, runGit } from './run-git.ts';

/** Limits of a repository. */
class Budget {
  readonly #limits: ArchiveLimits;
  #size = 0;
  #entries = 0;

  constructor(limits: ArchiveLimits) {
    this.#limits = limits;
  }

  spend(size: number): void {
    this.#size += size;
    this.#entries += 1;
    const { size: bytes, entries } = this.#limits;
    if (this.#size > bytes)
      throw new EngineError('bad-request', `the git repository is larger than ${bytes} bytes`);
    if (this.#entries > entries)
      throw new EngineError('bad-request', `the git repository has more than ${entries} files`);
  }
}

/** Refuses a commit whose files exceed the limits, before any of them is written. Throws EngineError 'bad-request'. */
export async function refuseLargeCommit(
  place: GitPlace,
  commit: string,
  limits: ArchiveLimits,
  signal: AbortSignal,
): Promise<void> {
  const budget = new Budget(limits);
  let rest = '';
  for await (const chunk of runGit(place, ['ls-tree', '-r', '-l', '-z', commit], signal)) {
    const lines = (rest + chunk.toString('latin1')).split('\0');
    rest = lines.pop() ?? '';
    for (const line of lines)
      budget.spend(Number.parseInt(/^\S+ \S+ \S+ +(\d+)\t/.exec(line)?.[1] ?? '0', 10));
  }
}

/**
 * Sets the time of all files to that of their commit, so that the same commit gives the same layers, and removes traces
 * of this host in submodules. Throws EngineError 'bad-request' beyond the limits.
 */
export async function settleFiles(
  root: string,
  {
    time,
    limits,
    keepsHistory,
  }: { readonly time: number; readonly limits: ArchiveLimits; readonly keepsHistory: boolean },
  signal: AbortSignal,
): Promise<void> {
  const budget = new Budget(limits);
  const settle = async (path: Buffer): Promise<void> => {
    signal.throwIfAborted();
    const stat = await lstat(path);
    budget.spend(stat.isFile() ? stat.size : 0);
    if (stat.isDirectory()) {
      for (const name of await readdir(path, { encoding: 'buffer' })) {
        const below = Buffer.concat([path, Buffer.from('/'), name]);
        if (!keepsHistory && name.toString('latin1') === '.git') await removeTree(below);
        else await settle(below);
      }
    }
    await lutimes(path, time, time);
  };
  await settle(Buffer.from(root)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENAMETOOLONG') throw error;
    throw new EngineError('bad-request', 'the git repository has a path that is too long for this host');
  });
}
