import { parsePattern } from '../../auth/access/pattern.ts';
import { formatHolder, parseHolder, parseRole } from '../../auth/accounts/names.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { type Action, runAccountsCommand } from './accounts-command.ts';

const ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ store, print }) => {
      for (const { holder, pattern, role } of await store.roles.list()) {
        print(`${formatHolder(holder)} ${pattern} ${role}`);
      }
    },
  },
  add: {
    words: ['HOLDER', 'PATTERN', 'ROLE'],
    run: async ({ store, words: [holder = '', pattern = '', role = ''] }) =>
      store.roles.put(parseRole({ holder: parseHolder(holder), pattern: parsePattern(pattern), role })),
  },
  remove: {
    words: ['HOLDER', 'PATTERN'],
    run: async ({ store, words: [holder = '', pattern = ''] }) => {
      if (!(await store.roles.remove(parseHolder(holder), pattern))) {
        throw new EntryUnknownError(`${holder} has no role on ${pattern}`);
      }
    },
  },
};

/** `berth grant`: which roles people and teams have on which repositories, and what is public. */
export function grant(args: readonly string[]): Promise<number> {
  return runAccountsCommand('grant', ACTIONS, args);
}
