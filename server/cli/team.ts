import { parseTeamName } from '../../auth/accounts/names.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { type Action, runAccountsCommand } from './accounts-command.ts';

const ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ store, print }) => {
      for (const { name, members } of await store.teams.list()) print([`${name}:`, ...members].join(' '));
    },
  },
  add: {
    words: ['TEAM'],
    run: async ({ store, words: [team = ''] }) => store.teams.create(parseTeamName(team)),
  },
  remove: {
    words: ['TEAM'],
    run: async ({ store, words: [team = ''] }) => store.teams.remove(team),
  },
  join: {
    words: ['TEAM', 'USER'],
    run: async ({ store, words: [team = '', account = ''] }) => store.teams.join(team, account),
  },
  leave: {
    words: ['TEAM', 'USER'],
    run: async ({ store, words: [team = '', account = ''] }) => {
      if (!(await store.teams.leave(team, account))) {
        throw new EntryUnknownError(`"${account}" is not in the team "${team}"`);
      }
    },
  },
};

/** `berth team`: people who have roles together. */
export function team(args: readonly string[]): Promise<number> {
  return runAccountsCommand('team', ACTIONS, args);
}
