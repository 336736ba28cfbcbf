import { parsePattern } from '../../auth/access/pattern.ts';
import { formatHolder, parseHolder, parseRole } from '../../auth/accounts/names.ts';
import { EntryUnknownError, SettingInvalidError } from '../../auth/errors.ts';
import { parseJobRule } from '../../auth/jobs/parse-job-rule.ts';
import { type Action, runAccountsCommand } from './accounts-command.ts';
import { labelsOf } from './remote/table.ts';

const GRANT_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ store, show }) => {
      const grants = (await store.roles.list()).map(({ holder, ...rest }) => ({
        holder: formatHolder(holder),
        ...rest,
      }));
      show(grants, [
        { head: 'HOLDER', cell: ({ holder }) => holder },
        { head: 'REPOSITORIES', cell: ({ pattern }) => pattern },
        { head: 'ROLE', cell: ({ role }) => role },
      ]);
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

/** `berth grant`: roles of people and teams on repositories, and public repositories. */
export function grant(args: readonly string[]): Promise<number> {
  return runAccountsCommand('grant', GRANT_ACTIONS, args);
}

const RULE_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ store, show }) => {
      show(await store.jobRules.list(), [
        { head: 'RULE', cell: ({ name }) => name },
        { head: 'ROLE', cell: ({ role }) => role },
        { head: 'REPOSITORIES', cell: ({ pattern }) => pattern },
        { head: 'ISSUER', cell: ({ issuer }) => issuer },
        { head: 'AUDIENCE', cell: ({ audience }) => audience },
        { head: 'CLAIMS', cell: ({ claims }) => labelsOf(claims) },
      ]);
    },
  },
  add: {
    words: ['NAME', 'PATTERN', 'ROLE'],
    options: {
      issuer: { type: 'string' },
      audience: { type: 'string' },
      claim: { type: 'string', multiple: true },
    },
    run: async ({ store, words: [name = '', pattern = '', role = ''], option, options }) => {
      const claims = Object.fromEntries(options('claim').map(parseClaim));
      const [issuer, audience] = [option('issuer') ?? '', option('audience') ?? ''];
      await store.jobRules.create(parseJobRule({ name, pattern, role, issuer, audience, claims }));
    },
  },
  remove: {
    words: ['NAME'],
    run: async ({ store, words: [name = ''] }) => {
      if (!(await store.jobRules.remove(name)))
        throw new EntryUnknownError(`there is no rule named "${name}"`);
    },
  },
};

/** `berth rule`: roles of jobs of other systems, which authenticate them. */
export function rule(args: readonly string[]): Promise<number> {
  return runAccountsCommand('rule', RULE_ACTIONS, args);
}

function parseClaim(text: string): readonly [name: string, value: string] {
  const equals = text.indexOf('=');
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new SettingInvalidError(
    `"${text.slice(0, 80)}" is not a claim: write NAME=VALUE, such as repository=team/app`,
  );
}
