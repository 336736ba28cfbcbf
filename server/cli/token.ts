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
import type { Column } from './remote/table.ts';

const TOKEN_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: ['USER'],
    run: async ({ store, show, words: [name = ''] }) => {
      if ((await store.accounts.find(name)) === undefined) {
        throw new EntryUnknownError(`there is no account named "${name}"`);
      }
      const tokens = await store.credentials.list('personal', { kind: 'user', name });
      const logins = await store.logins.list('user', name);
      const rows = [
        ...tokens.map((token) => ({ id: token.id, kind: 'token', ...termsView(token) })),
        ...logins.map(({ client, expiresAt, family }) => ({
          ...{ id: family, kind: 'login', name: client === '' ? 'unknown program' : client, expiresAt },
        })),
      ];
      show<TokenRow>(rows, [
        { head: 'ID', cell: ({ id }) => id },
        {
          head: 'WHAT',
          cell: ({ kind, name: label }) => (kind === 'login' ? `login by ${label}` : `token "${label}"`),
        },
        ...TERMS,
      ]);
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

/** `berth token`: personal tokens, logins of programs, and the keys of the token server. */
export function token(args: readonly string[]): Promise<number> {
  return runAccountsCommand('token', TOKEN_ACTIONS, args);
}

interface TokenRow extends Partial<TermsView> {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
}

/** A credential without its secret. */
interface TermsView {
  readonly name: string;
  /** Absent if it has all rights of its owner. */
  readonly scopes?: readonly string[];
  readonly lastUsedAt?: Date;
  /** Absent if it never expires. */
  readonly expiresAt?: Date;
}

function termsView({ expiresAt, lastUsedAt, limits, name }: Credential): TermsView {
  return {
    name,
    ...(limits !== undefined && { scopes: limits.map(formatLimit) }),
    ...(lastUsedAt !== undefined && { lastUsedAt }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

/** Scopes, last use and expiry of a credential. */
const TERMS: readonly Column<Partial<TermsView> & { readonly kind?: string }>[] = [
  {
    head: 'MAY',
    cell: ({ kind, scopes }) => scopes?.join(' ') ?? (kind === 'login' ? '' : 'all rights of its owner'),
  },
  {
    head: 'USED',
    cell: ({ kind, lastUsedAt }) =>
      lastUsedAt === undefined ? (kind === 'login' ? '' : 'never') : dayOf(lastUsedAt),
  },
  {
    head: 'ENDS',
    cell: ({ expiresAt, kind }) => `${endOf(expiresAt)}${kind === 'login' ? ' unless used' : ''}`,
  },
];

function endOf(expiresAt: Date | undefined): string {
  if (expiresAt === undefined) return 'never';
  return `${expiresAt.getTime() <= Date.now() ? 'ended ' : ''}${dayOf(expiresAt)}`;
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

const ROBOT_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ store, show }) => {
      const robots = (await store.credentials.list('robot')).map(termsView);
      show<TermsView>(robots, [{ head: 'ROBOT', cell: ({ name }) => name }, ...TERMS]);
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
