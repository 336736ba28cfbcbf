import { parseOwner } from '../../auth/accounts/names.ts';
import { findRobot, makeRobot, renewRobot } from '../../auth/administration/make-credential.ts';
import { type Action, runAccountsCommand } from './accounts-command.ts';
import {
  CREDENTIAL_OPTIONS,
  kubernetesOptions,
  printSecret,
  SCOPE_OPTION,
  termsOf,
} from './credential-options.ts';
import { describeTerms } from './token.ts';

const ACTIONS: Readonly<Record<string, Action>> = {
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
  return runAccountsCommand('robot', ACTIONS, args);
}
