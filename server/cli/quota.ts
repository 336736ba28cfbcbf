import { parsePattern } from '../../auth/access/pattern.ts';
import { EntryUnknownError, SettingInvalidError } from '../../auth/errors.ts';
import { parseByteCount, parseTagRule } from '../management/parse-settings.ts';
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

/** `berth quota`: how many bytes repositories may have. */
export function quota(args: readonly string[]): Promise<number> {
  return runAccountsCommand('quota', QUOTA_ACTIONS, args);
}

const TAG_RULE_ACTIONS: Readonly<Record<string, Action>> = {
  list: {
    words: [],
    run: async ({ catalog, show }) => {
      show(await catalog.tagRules.list(), [
        { head: 'REPOSITORIES', cell: ({ pattern }) => pattern },
        { head: 'TAGS', cell: ({ tags }) => tags },
        { head: 'KIND', cell: ({ kind }) => kind },
      ]);
    },
  },
  add: {
    words: ['PATTERN'],
    options: { tags: { type: 'string' }, immutable: { type: 'boolean' }, protected: { type: 'boolean' } },
    run: async ({ catalog, words: [pattern = ''], option, flag }) => {
      if (flag('immutable') === flag('protected')) {
        throw new SettingInvalidError('say what the tags are: --immutable or --protected');
      }
      const kind = flag('immutable') ? 'immutable' : 'protected';
      await catalog.tagRules.put(parseTagRule({ pattern, tags: option('tags') ?? '*', kind }));
    },
  },
  remove: {
    words: ['PATTERN'],
    options: { tags: { type: 'string' } },
    run: async ({ catalog, words: [pattern = ''], option }) => {
      const tags = option('tags') ?? '*';
      if (await catalog.tagRules.remove({ pattern, tags })) return;
      throw new EntryUnknownError(`there is no rule of the tags ${tags} of ${pattern}`);
    },
  },
};

/** `berth tag-rule`: which tags stay where they are, and which only maintainers set. */
export function tagRule(args: readonly string[]): Promise<number> {
  return runAccountsCommand('tag-rule', TAG_RULE_ACTIONS, args);
}
