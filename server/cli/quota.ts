import { parsePattern } from '../../auth/access/pattern.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { parseByteCount } from '../management/parse-settings.ts';
import { type Action, runAccountsCommand } from './accounts-command.ts';

const QUOTA_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ catalog, show }) => {
      show(await catalog.quotas.list(), [
        { head: 'REPOSITORIES', cell: ({ pattern }) => pattern },
        { head: 'BYTES USED', cell: ({ used }) => String(used) },
        { head: 'OF', cell: ({ bytes }) => String(bytes) },
      ]);
    },
  },
  set: {
    words: ['PATTERN', 'SIZE'],
    run: async ({ catalog, words: [pattern = '', size = ''] }) => {
      await catalog.quotas.put({ pattern: parsePattern(pattern), bytes: parseByteCount(size) });
    },
  },
  remove: {
    words: ['PATTERN'],
    run: async ({ catalog, words: [pattern = ''] }) => {
      if (!(await catalog.quotas.remove(pattern)))
        throw new EntryUnknownError(`there is no quota of ${pattern}`);
    },
  },
};

/** `berth quota`: limits on the bytes of repositories. */
export function quota(args: readonly string[]): Promise<number> {
  return runAccountsCommand('quota', QUOTA_ACTIONS, args);
}
