import { SettingInvalidError } from '../../auth/errors.ts';
import { OciError } from '../../oci/errors.ts';
import { parseRepositoryName } from '../../oci/repository-name.ts';
import { parseTag } from '../../oci/tag.ts';
import { StorageError } from '../../storage/errors.ts';
import { type Action, runAccountsCommand } from './accounts-command.ts';

const ACTIONS: Readonly<Record<string, Action>> = {
  restore: {
    words: ['REPOSITORY:TAG'],
    run: async ({ catalog, words: [word = ''], print }) => {
      const colon = word.lastIndexOf(':');
      if (colon < 0) throw new SettingInvalidError(`"${word}" names no tag: write it as team/app:1.0`);
      try {
        const repository = parseRepositoryName(word.slice(0, colon));
        const tag = parseTag(word.slice(colon + 1));
        const digest = await catalog.tags.restore(repository, tag, { standing: 'admin' });
        print(`${repository}:${tag} points at ${digest} again`);
      } catch (error) {
        if (!(error instanceof StorageError || error instanceof OciError)) throw error;
        throw new SettingInvalidError(error.message, { cause: error });
      }
    },
  },
};

/** `berth tag`: takes deletes of tags back. */
export function tag(args: readonly string[]): Promise<number> {
  return runAccountsCommand('tag', ACTIONS, args);
}
