import { ConfigError } from '../../../lib/settings/config-error.ts';
import { isDigest } from '../../../oci/digest.ts';
import { TAG_SORTS } from '../../../storage/catalog/browse/browse-catalog.ts';
import { printable } from '../printable.ts';
import { byteCount, count } from '../progress.ts';
import { ApiError } from '../remote/api-error.ts';
import {
  ago,
  type Column,
  FORMAT_OPTION,
  parseFormat,
  printOne,
  printRows,
  shortDigest,
} from '../remote/table.ts';
import {
  type ContentCommand,
  type ContentInput,
  readManifestName,
  readRepository,
  runContentAction,
} from './content-command.ts';
import type { ManifestName } from './door.ts';
import { readSort } from './repo.ts';
import type { ConsequencesView, DifferenceView, TagView } from './views.ts';

const COLUMNS: readonly Column<TagView>[] = [
  { head: 'TAG', cell: ({ name }) => name },
  { head: 'DIGEST', cell: ({ digest }) => shortDigest(digest) },
  { head: 'SIZE', cell: ({ size }) => (size === undefined ? '' : byteCount(size)) },
  { head: 'PLATFORMS', cell: ({ platforms }) => platforms.join(' ') },
  { head: 'PUSHED', cell: ({ pushedAt }) => ago(pushedAt) },
  { head: 'BY', cell: ({ pushedBy }) => pushedBy ?? '' },
  { head: 'PULLED', cell: ({ lastPull }) => ago(lastPull) },
];

const ACTIONS: Readonly<Record<string, ContentCommand>> = {
  ls: {
    usage: 'tag ls REPOSITORY',
    local: true,
    options: { search: { type: 'string' }, sort: { type: 'string' }, ...FORMAT_OPTION },
    run: async ({ door, option, words: [word = ''] }) => {
      const format = parseFormat(option('format'));
      const sort = readSort(option('sort'), TAG_SORTS);
      const search = option('search');
      const opened = await door();
      const repository = readRepository(word, opened.host);
      const found = await opened.tags(repository, { ...(sort && { sort }), ...(search && { search }) });
      printRows(format, found, COLUMNS);
    },
  },
  inspect: { usage: 'tag inspect IMAGE…', local: true, run: inspect },
  rm: {
    usage: 'tag rm IMAGE…',
    local: true,
    options: { 'dry-run': { type: 'boolean' }, force: { type: 'boolean' }, ...FORMAT_OPTION },
    run: remove,
  },
  cp: {
    usage: 'tag cp IMAGE TARGET',
    local: true,
    options: { referrers: { type: 'boolean' }, ...FORMAT_OPTION },
    run: copy,
  },
  restore: {
    usage: 'tag restore IMAGE',
    local: true,
    run: async ({ door, print, words: [word = ''] }) => {
      const opened = await door();
      const { repository, reference } = readManifestName(word, opened.host);
      if (isDigest(reference)) throw new ConfigError(`"${word}" has no tag: write it as team/app:1.0`);
      const digest = await opened.restore(repository, reference);
      print(`${repository}:${reference} points at ${digest} again`);
    },
  },
  diff: {
    usage: 'tag diff IMAGE OTHER',
    local: true,
    options: { platform: { type: 'string' }, ...FORMAT_OPTION },
    run: compare,
  },
};

/** Prints the details of images, as JSON. */
export async function inspect({ door, print, words }: ContentInput): Promise<void> {
  const opened = await door();
  const found = await Promise.all(words.map((word) => opened.manifest(readManifestName(word, opened.host))));
  print(JSON.stringify(found, undefined, 2));
}

/** `berth tag`: tags and their images. */
export function tag(args: readonly string[]): Promise<number> {
  return runContentAction('tag', ACTIONS, args);
}

async function copy({ door, flag, option, words: [word = '', other = ''] }: ContentInput): Promise<void> {
  const format = parseFormat(option('format'));
  const opened = await door();
  const source = readManifestName(word, opened.host);
  const { repository: to, tag = undefined } = readTarget(other, source, opened.host);
  const view = await opened.copy(source, {
    to,
    referrers: flag('referrers'),
    ...(tag !== undefined && { tag }),
  });
  const target = tag === undefined ? `${to}@${view.digest}` : `${to}:${tag}`;
  printOne(format, { image: word, target, ...view }, () => [
    `${target} is ${view.digest}`,
    `  new there: ${count(view.manifests, 'manifest')}, ${count(view.mounted, 'blob')} (${byteCount(view.bytes)} mounted, none copied)`,
    ...(view.referrers > 0 ? [`  and ${count(view.referrers, 'referrer')}`] : []),
    ...view.keptTags.map((kept) => `  ${kept} already exists there with another image, and is unchanged`),
  ]);
}

/**
 * Parses a target: `REPOSITORY:TAG`, or a repository, in which the copy has the tag of the source. Throws ConfigError.
 */
function readTarget(text: string, { reference }: ManifestName, host: string | undefined) {
  if (text.includes('@')) throw new ConfigError(`"${text}" is no target: write team/app:1.0 or team/app`);
  const own = readRepository(text, host);
  if (own.includes(':')) {
    const { repository, reference: tag } = readManifestName(text, host);
    return { repository, tag };
  }
  return { repository: own, ...(!isDigest(reference) && { tag: reference }) };
}

/** Deletes each image separately: a failure does not prevent the others. */
export async function remove({ door, flag, option, print, tell, words }: ContentInput): Promise<number> {
  const format = parseFormat(option('format'));
  const options = { dryRun: flag('dry-run'), force: flag('force') };
  const opened = await door();
  const names = words.map((word) => readManifestName(word, opened.host));
  let code = 0;
  const gone: object[] = [];
  for (const [index, name] of names.entries()) {
    const word = words[index] ?? '';
    try {
      const consequences = await opened.delete(name, options);
      if (format === 'table') for (const line of linesOf(word, consequences)) print(printable(line));
      else gone.push({ image: word, ...consequences });
      if (!consequences.deleted && consequences.refusal !== undefined && !options.force) code = 1;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      tell(`berth: ${error.message}`);
      code = 1;
    }
  }
  if (format !== 'table') printRows(format, gone, []);
  return code;
}

function linesOf(word: string, view: ConsequencesView): readonly string[] {
  const { bytesFreed, bytesKept, deleted, manifests, refusal, restorableUntil, running, tagCount, tags } =
    view;
  const more = tagCount > tags.length ? ` and ${tagCount - tags.length} more` : '';
  return [
    `${word}: ${deleted ? 'deleted' : 'would be deleted'}`,
    ...(refusal === undefined || deleted ? [] : [`  refused: ${refusal}`]),
    `  tags that go: ${tags.join(', ')}${more}`,
    manifests.length === 0
      ? '  nothing is freed: its manifest stays under its digest'
      : `  ${byteCount(bytesFreed)} will be freed by garbage collection, ${byteCount(bytesKept)} are kept for other images`,
    ...running.map(
      ({ app, hosts, release, runs }) =>
        `  release ${release} of ${app} ${runs ? `runs it on ${hosts.join(', ')}` : 'keeps it for a rollback'}`,
    ),
    ...(restorableUntil === undefined ? [] : [`  can be restored at least until ${restorableUntil}`]),
  ];
}

async function compare({ door, option, words: [word = '', other = ''] }: ContentInput): Promise<void> {
  const format = parseFormat(option('format'));
  const opened = await door();
  const { repository, reference: from } = readManifestName(word, opened.host);
  // The other one may be just a tag or a digest of the same repository.
  const isShort = isDigest(other) || !/[:@]/.test(other);
  const to = isShort ? { repository, reference: other } : readManifestName(other, opened.host);
  if (to.repository !== repository) {
    throw new ConfigError('images of different repositories cannot be compared: name two of one repository');
  }
  const difference = await opened.difference(repository, from, to.reference, option('platform'));
  printOne(format, difference, () => differenceLines(difference));
}

function differenceLines(difference: DifferenceView): readonly string[] {
  const { download, layers, packages, platform, ...changes } = difference;
  const same = layers.filter(({ change }) => change === 'same').length;
  const signs = { added: '+', removed: '-' } as const;
  return [
    ...(platform === undefined ? [] : [`platform ${platform}`]),
    `${count(same, 'layer')} the same, ${byteCount(download)} to download`,
    ...layers.flatMap(({ change, digest, size }) =>
      change === 'same' ? [] : [`${signs[change]} layer ${shortDigest(digest)} ${byteCount(size)}`],
    ),
    ...(['configuration', 'environment', 'labels'] as const).flatMap((kind) =>
      changes[kind].flatMap(({ name, before, after }) => [
        ...(before === undefined ? [] : [`- ${kind} ${name}: ${before}`]),
        ...(after === undefined ? [] : [`+ ${kind} ${name}: ${after}`]),
      ]),
    ),
    ...packageLines(packages),
  ];
}

function packageLines({ added, changed, changes, from, removed, to }: DifferenceView['packages']) {
  if (from === undefined && to === undefined) return ['packages are not compared: neither image has an SBOM'];
  if (from === undefined || to === undefined) {
    return [`packages are not compared: the ${from === undefined ? 'first' : 'second'} image has no SBOM`];
  }
  const more = added + changed + removed - changes.length;
  return [
    ...changes.flatMap(({ name, before, after }) => [
      ...(before === undefined ? [] : [`- package ${name} ${before}`.trimEnd()]),
      ...(after === undefined ? [] : [`+ package ${name} ${after}`.trimEnd()]),
    ]),
    ...(more > 0 ? [`${count(more, 'more package')} differ`] : []),
  ];
}
