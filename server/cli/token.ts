import { parseOwner } from '../../auth/accounts/names.ts';
import { formatLimit } from '../../auth/administration/limits.ts';
import {
  findRobot,
  makePersonalToken,
  makeRobot,
  renewRobot,
} from '../../auth/administration/make-credential.ts';
import type { Credential } from '../../auth/credentials/credential-store.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { rotateKeys } from '../../auth/tokens/key-ring.ts';
import { type Action, runAccountsCommand } from './accounts-command.ts';
import {
  CREDENTIAL_OPTIONS,
  kubernetesOptions,
  printSecret,
  SCOPE_OPTION,
  termsOf,
} from './credential-options.ts';

const TOKEN_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: ['USER'],
    run: async ({ store, print, words: [name = ''] }) => {
      if ((await store.accounts.find(name)) === undefined) {
        throw new EntryUnknownError(`there is no account named "${name}"`);
      }
      for (const token of await store.credentials.list('personal', { kind: 'user', name })) {
        print(`${token.id} token "${token.name}" ${describeTerms(token)}`);
      }
      for (const login of await store.logins.list('user', name)) {
        const client = login.client === '' ? 'unknown program' : login.client;
        print(`${login.family} login by ${client}, ends ${dayOf(login.expiresAt)} unless used`);
      }
    },
  },
  create: {
    words: ['USER'],
    options: { name: { type: 'string' }, ...SCOPE_OPTION, ...CREDENTIAL_OPTIONS },
    run: async (input) => {
      const [user = ''] = input.words;
      kubernetesOptions(input);
      const label = input.option('name') ?? (input.flag('kubernetes') ? 'kubernetes' : 'command line');
      printSecret(input, user, await makePersonalToken(input.store.credentials, user, label, termsOf(input)));
    },
  },
  revoke: {
    words: ['ID'],
    run: async ({ store, words: [id = ''] }) => {
      const there = (await store.credentials.remove(id)) || (await store.logins.endFamily(id));
      if (!there) throw new EntryUnknownError(`there is neither a token nor a login with the id "${id}"`);
    },
  },
  'rotate-keys': {
    words: [],
    options: { now: { type: 'boolean' } },
    run: async ({ store, flag, tell }) => {
      const now = flag('now');
      const { id } = await (now ? rotateKeys(store.keys, 0) : rotateKeys(store.keys));
      tell(
        `the key ${id} signs from now on; tokens of the others count ${now ? 'no longer' : 'until they end'}`,
      );
    },
  },
};

/** `berth token`: personal tokens, logins that programs keep, and the keys of the token server. */
export function token(args: readonly string[]): Promise<number> {
  return runAccountsCommand('token', TOKEN_ACTIONS, args);
}

/** What a credential may do, when it was used and when it ends. */
export function describeTerms({ limits, expiresAt, lastUsedAt }: Credential): string {
  const scopes = limits === undefined ? 'all that its owner may' : limits.map(formatLimit).join(' ');
  const used = lastUsedAt === undefined ? 'never used' : `last used ${dayOf(lastUsedAt)}`;
  return `${scopes}, ${used}, ${endOf(expiresAt)}`;
}

function endOf(expiresAt: Date | undefined): string {
  if (expiresAt === undefined) return 'never ends';
  return `${expiresAt.getTime() <= Date.now() ? 'ended' : 'ends'} ${dayOf(expiresAt)}`;
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

const ROBOT_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ store, print }) => {
      for (const robot of await store.credentials.list('robot'))
        print(`${robot.name} ${describeTerms(robot)}`);
    },
  },
  create: {
    words: ['OWNER', 'NAME'],
    options: { ...SCOPE_OPTION, ...CREDENTIAL_OPTIONS },
    run: async (input) => {
      const [owner = '', name = ''] = input.words;
      kubernetesOptions(input);
      const made = await makeRobot(input.store.credentials, parseOwner(owner), name, termsOf(input));
      printSecret(input, made.credential.name, made);
    },
  },
  rotate: {
    words: ['ROBOT'],
    options: CREDENTIAL_OPTIONS,
    run: async (input) => {
      const [name = ''] = input.words;
      kubernetesOptions(input);
      printSecret(input, name, await renewRobot(input.store.credentials, name, termsOf(input).expiresAt));
    },
  },
  remove: {
    words: ['ROBOT'],
    run: async ({ store, words: [name = ''] }) => {
      await store.credentials.remove((await findRobot(store.credentials, name)).id);
    },
  },
};

/** `berth robot`: accounts of programs. */
export function robot(args: readonly string[]): Promise<number> {
  return runAccountsCommand('robot', ROBOT_ACTIONS, args);
}
