import { ConfigError } from '../../../lib/settings/config-error.ts';
import { REPOSITORY_SORTS, type RepositorySort } from '../../../storage/catalog/browse/browse-catalog.ts';
import { byteCount } from '../progress.ts';
import { ago, type Column, parseFormat, printRows } from '../remote/table.ts';
import { type ContentCommand, runContentAction } from './content-command.ts';
import type { RepositoryView } from './views.ts';

const FORMAT = { format: { type: 'string' } } as const;

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
    options: { search: { type: 'string' }, sort: { type: 'string' }, ...FORMAT },
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
    options: FORMAT,
    run: async ({ door, option, tell }) => {
      const format = parseFormat(option('format'));
      const { repositories, size } = await (await door()).diskUse();
      printRows(format, repositories, [
        { head: 'SIZE', cell: (one) => byteCount(one.size) },
        { head: 'REPOSITORY', cell: ({ name }) => name },
      ]);
      tell(`${byteCount(size)} in all; what several repositories have counts for each of them`);
    },
  },
};

/** `berth repo`: repositories and what they take. */
export function repo(args: readonly string[]): Promise<number> {
  return runContentAction('repo', ACTIONS, args);
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
