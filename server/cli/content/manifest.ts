import { ConfigError } from '../../../lib/settings/config-error.ts';
import { isDigest } from '../../../oci/digest.ts';
import { byteCount } from '../progress.ts';
import { ago, type Column, FORMAT_OPTION, parseFormat, printRows, shortDigest } from '../remote/table.ts';
import {
  type ContentCommand,
  readManifestName,
  readRepository,
  runContentAction,
} from './content-command.ts';
import { inspect, remove } from './tag.ts';
import type { ManifestEntry } from './views.ts';

const COLUMNS: readonly Column<ManifestEntry>[] = [
  { head: 'DIGEST', cell: ({ digest }) => shortDigest(digest) },
  { head: 'TYPE', cell: ({ artifactType, mediaType }) => shortType(artifactType ?? mediaType) },
  { head: 'SIZE', cell: ({ size }) => (size === undefined ? '' : byteCount(size)) },
  { head: 'PUSHED', cell: ({ pushedAt }) => ago(pushedAt) },
  { head: 'HELD BY', cell: holdersOf },
];

const ACTIONS: Readonly<Record<string, ContentCommand>> = {
  ls: {
    usage: 'manifest ls REPOSITORY',
    local: true,
    options: { untagged: { type: 'boolean' }, ...FORMAT_OPTION },
    run: async ({ door, flag, option, words: [word = ''] }) => {
      const format = parseFormat(option('format'));
      const opened = await door();
      const found = await opened.manifests(readRepository(word, opened.host));
      const shown = flag('untagged') ? found.filter(isLoose) : found;
      printRows(
        format,
        shown.toSorted((one, other) => Date.parse(other.pushedAt) - Date.parse(one.pushedAt)),
        COLUMNS,
      );
    },
  },
  inspect: { usage: 'manifest inspect IMAGE…', local: true, run: inspect },
  rm: {
    usage: 'manifest rm IMAGE…',
    local: true,
    options: { 'dry-run': { type: 'boolean' }, force: { type: 'boolean' }, ...FORMAT_OPTION },
    run: async (input) => {
      for (const word of input.words) {
        if (isDigest(readManifestName(word, undefined).reference)) continue;
        throw new ConfigError(
          `"${word}" is a tag: delete it with "berth tag rm", or write team/app@sha256:…`,
        );
      }
      return remove(input);
    },
  },
};

/** `berth manifest`: manifests, with a tag or without. */
export function manifest(args: readonly string[]): Promise<number> {
  return runContentAction('manifest', ACTIONS, args);
}

/** Reports whether no tag, index or subject refers to it. */
function isLoose({ isMember, subject, tagCount }: ManifestEntry): boolean {
  return tagCount === 0 && !isMember && subject === undefined;
}

function holdersOf({ isMember, subject, tagCount, tags }: ManifestEntry): string {
  const more = tagCount > tags.length ? [`and ${tagCount - tags.length} more`] : [];
  return [
    ...tags,
    ...more,
    ...(isMember ? ['(an index)'] : []),
    ...(subject === undefined ? [] : [`(about ${shortDigest(subject)})`]),
  ].join(' ');
}

function shortType(type: string): string {
  return type.replace(/^application\/(?:vnd\.)?/, '').replace(/\+json$/, '');
}
