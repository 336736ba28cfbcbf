import { text } from 'node:stream/consumers';
import { parseTeamName } from '../../auth/accounts/names.ts';
import { addAccount, changePassword } from '../../auth/administration/accounts.ts';
import { linkIdentity, unlinkIdentity } from '../../auth/administration/identities.ts';
import { EntryUnknownError, SettingInvalidError } from '../../auth/errors.ts';
import { PasswordHasher } from '../../auth/passwords/password-hasher.ts';
import { type Action, type ActionInput, runAccountsCommand } from './accounts-command.ts';

const PASSWORD = { 'password-stdin': { type: 'boolean' } } as const;

const USER_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ store, show }) => {
      const users = (await store.accounts.list()).map(({ name, admin }) => ({ name, admin }));
      show(users, [
        { head: 'USER', cell: ({ name }) => name },
        { head: 'ROLE', cell: ({ admin }) => (admin ? 'administrator' : '') },
      ]);
    },
  },
  add: {
    words: ['NAME'],
    options: { admin: { type: 'boolean' }, ...PASSWORD },
    run: async (input) => {
      const [name = ''] = input.words;
      const password = await givenPassword(input);
      const admin = input.flag('admin');
      tellPassword(input, await addAccount(input.store.accounts, { name, admin, ...password }, hashing()));
    },
  },
  password: {
    words: ['NAME'],
    options: PASSWORD,
    run: async (input) => {
      const [name = ''] = input.words;
      const { password } = await givenPassword(input);
      tellPassword(input, await changePassword(input.store.accounts, name, password, hashing()));
    },
  },
  admin: {
    words: ['NAME', 'on|off'],
    run: async ({ store, words: [name = '', state = ''] }) => {
      if (state !== 'on' && state !== 'off') {
        throw new SettingInvalidError('write on or off: whether the account is an administrator');
      }
      await store.accounts.update(name, { admin: state === 'on' });
    },
  },
  link: {
    words: ['NAME', 'PROVIDER', 'SUBJECT'],
    run: async ({ store, words: [name = '', provider = '', subject = ''] }) => {
      await linkIdentity(store, name, { provider, subject });
    },
  },
  unlink: {
    words: ['NAME', 'PROVIDER'],
    run: async ({ store, words: [name = '', provider = ''] }) => unlinkIdentity(store, name, provider),
  },
  remove: {
    words: ['NAME'],
    run: async ({ store, words: [name = ''] }) => store.accounts.remove(name),
  },
};

/** `berth user`: the people who can log in. */
export function user(args: readonly string[]): Promise<number> {
  return runAccountsCommand('user', USER_ACTIONS, args);
}

async function givenPassword({ flag }: ActionInput): Promise<{ readonly password?: string }> {
  if (!flag('password-stdin')) return {};
  return { password: (await text(process.stdin)).replace(/\r?\n$/, '') };
}

function hashing() {
  return { hasher: new PasswordHasher() };
}

function tellPassword({ print, tell }: ActionInput, made: string | undefined): void {
  if (made === undefined) return;
  tell('The password, which is not shown again:');
  print(made);
}

const TEAM_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ store, show }) => {
      show(await store.teams.list(), [
        { head: 'TEAM', cell: ({ name }) => name },
        { head: 'MEMBERS', cell: ({ members }) => members.join(' ') },
      ]);
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
  return runAccountsCommand('team', TEAM_ACTIONS, args);
}
