import { text } from 'node:stream/consumers';
import { EntryUnknownError, SettingInvalidError } from '../../auth/errors.ts';
import { parseProvider } from '../../auth/providers/parse-provider.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { type Action, runAccountsCommand } from './accounts-command.ts';
import { labelsOf } from './remote/table.ts';

const ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ store, show }) => {
      // Without the secret.
      const providers = (await store.providers.list()).map(
        ({ name, issuer, clientId, nameClaim, groupsClaim, groups }) => ({
          ...{ name, issuer, clientId, nameClaim, groupsClaim, groups },
        }),
      );
      show(providers, [
        { head: 'PROVIDER', cell: ({ name }) => name },
        { head: 'ISSUER', cell: ({ issuer }) => issuer },
        { head: 'CLIENT', cell: ({ clientId }) => clientId },
        { head: 'NAMES', cell: ({ nameClaim }) => nameClaim },
        { head: 'GROUPS', cell: ({ groupsClaim }) => groupsClaim },
        { head: 'TEAMS', cell: ({ groups }) => labelsOf(groups) },
      ]);
    },
  },
  add: {
    words: ['NAME'],
    options: {
      issuer: { type: 'string' },
      'client-id': { type: 'string' },
      'client-secret-stdin': { type: 'boolean' },
      'name-claim': { type: 'string' },
      'groups-claim': { type: 'string' },
      group: { type: 'string', multiple: true },
    },
    run: async ({ store, words: [name = ''], option, options, flag }) => {
      const groups = Object.fromEntries(options('group').map(parseGroup));
      if (!flag('client-secret-stdin')) {
        throw new ConfigError("write --client-secret-stdin, and give the client's secret on standard input");
      }
      const clientSecret = (await text(process.stdin)).replace(/\r?\n$/, '');
      const [issuer, clientId] = [option('issuer') ?? '', option('client-id') ?? ''];
      const [nameClaim, groupsClaim] = [option('name-claim'), option('groups-claim')];
      const provider = parseProvider({
        name,
        issuer,
        clientId,
        clientSecret,
        nameClaim,
        groupsClaim,
        groups,
      });
      await store.providers.create(provider);
    },
  },
  remove: {
    words: ['NAME'],
    run: async ({ store, words: [name = ''] }) => {
      if (!(await store.providers.remove(name))) {
        throw new EntryUnknownError(`there is no provider named "${name}"`);
      }
    },
  },
};

/** `berth provider`: OpenID Connect providers whose people log in. */
export function provider(args: readonly string[]): Promise<number> {
  return runAccountsCommand('provider', ACTIONS, args);
}

/** Parses a group, split at the last equals sign: groups may be distinguished names, teams contain none. */
function parseGroup(text: string): readonly [group: string, team: string] {
  const equals = text.lastIndexOf('=');
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new SettingInvalidError(
    `"${text.slice(0, 80)}" is not a group: write GROUP=TEAM, such as developers=dev`,
  );
}
