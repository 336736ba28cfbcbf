import { ConfigError } from '../../../lib/settings/config-error.ts';
import { REPOSITORY_SORTS, type RepositorySort } from '../../../storage/catalog/browse/browse-catalog.ts';
import { confirm } from '../confirm.ts';
import { byteCount, count, Progress } from '../progress.ts';
import { ApiError } from '../remote/api-error.ts';
import { ago, type Column, FORMAT_OPTION, parseFormat, printOne, printRows } from '../remote/table.ts';
import {
  type ContentCommand,
  type ContentInput,
  readRepository,
  runContentAction,
} from './content-command.ts';
import type { RepositoryLossView, RepositoryView } from './views.ts';

const COLUMNS: readonly Column<RepositoryView>[] = [
  { head: 'REPOSITORY', cell: ({ name }) => name },
  { head: 'TAGS', cell: ({ tags }) => String(tags) },
  { head: 'SIZE', cell: ({ size }) => byteCount(size) },
  { head: 'PUSHED', cell: ({ lastPush }) => ago(lastPush) },
  { head: 'PULLED', cell: ({ lastPull }) => ago(lastPull) },
];

const ACTIONS: Readonly<Record<string, ContentCommand>> = {
  ls: {
    usage: 'repo ls',
    local: true,
    options: { search: { type: 'string' }, sort: { type: 'string' }, ...FORMAT_OPTION },
    run: async ({ door, option }) => {
      const format = parseFormat(option('format'));
      const sort = readSort(option('sort'), REPOSITORY_SORTS);
      const search = option('search');
      const found = await (await door()).repositories({ ...(sort && { sort }), ...(search && { search }) });
      printRows(format, found, COLUMNS);
    },
  },
  du: {
    usage: 'repo du',
    local: true,
    options: FORMAT_OPTION,
    run: async ({ door, option, tell }) => {
      const format = parseFormat(option('format'));
      const { repositories, size } = await (await door()).diskUse();
      printRows(format, repositories, [
        { head: 'SIZE', cell: (one) => byteCount(one.size) },
        { head: 'REPOSITORY', cell: ({ name }) => name },
      ]);
      tell(`${byteCount(size)} in all; shared content counts for each repository`);
    },
  },
  rm: {
    usage: 'repo rm REPOSITORY',
    local: true,
    options: {
      'dry-run': { type: 'boolean' },
      force: { type: 'boolean' },
      yes: { type: 'boolean' },
      ...FORMAT_OPTION,
    },
    run: remove,
  },
};

/** `berth repo`: repositories and their sizes. */
export function repo(args: readonly string[]): Promise<number> {
  return runContentAction('repo', ACTIONS, args);
}

async function remove({ door, flag, option, tell, words: [word = ''] }: ContentInput): Promise<number> {
  const format = parseFormat(option('format'));
  const opened = await door();
  const repository = readRepository(word, opened.host);
  const force = flag('force');
  const before = await opened.deleteRepository(repository, { dryRun: true, force });
  if (flag('dry-run')) {
    printOne(format, { repository, ...before }, () => linesOf(repository, before));
    return before.refusal === undefined ? 0 : 1;
  }
  if (before.refusal !== undefined) throw new ApiError(409, before.refusal);
  const what = `${repository} with ${count(before.tagCount, 'tag')} and ${count(before.manifestCount, 'manifest')}`;
  const sure =
    flag('yes') || (await confirm(`Delete ${what}? It cannot be restored.`, `this deletes ${what}`));
  if (!sure) {
    tell(`${repository} was not deleted`);
    return 1;
  }
  const progress = new Progress();
  try {
    for (let left = before.manifestCount; left > 0; ) {
      const { remaining } = await opened.deleteRepository(repository, { dryRun: false, force });
      if (remaining >= left)
        throw new ApiError(
          409,
          `${repository}: another client is pushing to it: ${count(remaining, 'manifest')} left`,
        );
      left = remaining;
      progress.show(`deleting ${repository}`, {
        done: before.manifestCount - left,
        total: before.manifestCount,
        unit: 'manifests',
      });
    }
  } finally {
    progress.clear();
  }
  const after = { ...before, deleted: true, remaining: 0 };
  printOne(format, { repository, ...after }, () => linesOf(repository, after));
  return 0;
}

function linesOf(repository: string, view: RepositoryLossView): readonly string[] {
  const { bytesFreed, bytesKept, complete, deleted, manifestCount, refusal, tagCount } = view;
  return [
    `${repository}: ${deleted ? 'deleted' : 'would be deleted'}, ${count(tagCount, 'tag')} and ${count(manifestCount, 'manifest')}`,
    ...(refusal === undefined ? [] : [`  refused: ${refusal}`]),
    `  ${complete ? '' : 'at least '}${byteCount(bytesFreed)} will be freed by garbage collection, ` +
      `${byteCount(bytesKept)} are kept for other repositories`,
  ];
}

/** Reads --sort. Throws ConfigError. */
export function readSort<Sort extends RepositorySort | string>(
  text: string | undefined,
  known: readonly Sort[],
): Sort | undefined {
  if (text === undefined) return undefined;
  const found = known.find((one) => one === text);
  if (found === undefined) throw new ConfigError(`"${text}" is no --sort: write ${known.join(' or ')}`);
  return found;
}
