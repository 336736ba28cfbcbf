import { EntryUnknownError, SettingInvalidError } from '../../auth/errors.ts';
import { parseTagRule } from '../management/parse-settings.ts';
import { type Action, runAccountsCommand } from './accounts-command.ts';

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
        throw new SettingInvalidError('the kind of the rule is missing: give --immutable or --protected');
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

/** `berth tag-rule`: immutable tags, and tags that only maintainers set. */
export function tagRule(args: readonly string[]): Promise<number> {
  return runAccountsCommand('tag-rule', TAG_RULE_ACTIONS, args);
}
