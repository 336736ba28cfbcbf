import type { Import } from './imports.ts';

/** What the files below a folder may import beyond that folder; nothing else of the project. */
interface Arrow {
  readonly from: string;
  readonly to: readonly string[];
}

const ARROWS: readonly Arrow[] = [
  { from: 'lib/', to: [] },
  { from: 'oci/', to: ['lib/'] },
  { from: 'fleet/', to: ['lib/', 'oci/'] },
  { from: 'storage/', to: ['lib/', 'oci/', 'fleet/'] },
  { from: 'auth/', to: ['lib/', 'oci/'] },
  { from: 'server/', to: ['lib/', 'oci/', 'storage/', 'auth/', 'fleet/'] },
  { from: 'runtime-agent/', to: ['lib/', 'oci/', 'storage/', 'auth/', 'fleet/'] },
  {
    // Manual pages and completions are made of what --help prints and of the exit codes.
    from: 'deploy/',
    to: [
      'lib/terminal/completion.ts',
      'server/cli/exit-codes.ts',
      'server/cli/help.ts',
      'runtime-agent/cli/exit-codes.ts',
      'runtime-agent/cli/help.ts',
    ],
  },
  {
    from: 'test/',
    to: ['lib/', 'oci/', 'storage/', 'auth/', 'fleet/', 'server/', 'runtime-agent/', 'deploy/'],
  },
  { from: 'server/http/', to: ['lib/'] },
  {
    // What strangers wrote is read here, by no other program, and by nothing that could start one.
    from: 'runtime-agent/snapshots/erofs/',
    to: [
      'lib/files/',
      'lib/json/',
      'lib/pattern/',
      'lib/streams/',
      'lib/sync/',
      'lib/tar/',
      'lib/threads/',
      'lib/linux/files/file-size.ts',
      'lib/linux/mount/mount.ts',
      'lib/linux/mount/mount-erofs.ts',
      'oci/',
      'storage/',
      'runtime-agent/errors.ts',
      'runtime-agent/storage-full.ts',
      'runtime-agent/snapshots/',
    ],
  },
];

/** Packages that only some folders may import: `files` are prefixes. */
interface PackageRule {
  readonly packages: RegExp;
  readonly files: readonly string[];
  readonly reason: string;
}

const PACKAGE_RULES: readonly PackageRule[] = [
  {
    packages: /^(koa|@koa\/.*|node:http2?|node:https)$/,
    files: ['lib/http/', 'oci/distribution/', 'server/', 'runtime-agent/', 'test/'],
    reason: 'storage/ and auth/ know no HTTP',
  },
  {
    packages: /^(knex|knex\/.*|pg|better-sqlite3|node:sqlite)$/,
    files: ['storage/', 'auth/', 'runtime-agent/', 'test/'],
    reason: 'server/ knows no SQL',
  },
  {
    packages: /^(better-sqlite3|pg|knex\/.*)$/,
    files: ['storage/catalog/', 'test/'],
    reason: 'only the catalog knows which database it is',
  },
  {
    packages: /^koffi$/,
    files: ['lib/linux/', 'storage/blobs/filesystem/journal/', 'test/'],
    reason: 'system calls are made in lib/linux/ and the journal of small blobs',
  },
  {
    packages: /^node:fs(\/promises)?$/,
    files: [
      'lib/',
      'oci/distribution/',
      'storage/',
      'runtime-agent/',
      'deploy/',
      'test/',
      'server/main.ts',
      'server/config/',
      'server/cli/',
      'server/tls/',
      'server/markup/assets.ts',
      'server/page/documents/document-set.ts',
    ],
    reason: 'the routes of server/ and auth/ touch no files, but for the assets of pages and the documents',
  },
];

/** Every import that runs against the arrows, each as one sentence. */
export function forbiddenImports(imports: readonly Import[]): readonly string[] {
  return imports.flatMap((edge) => {
    const arrows = ARROWS.filter((arrow) => edge.file.startsWith(arrow.from));
    const local = edge.target.endsWith('.ts');
    if (local) {
      return arrows
        .filter((arrow) => ![arrow.from, ...arrow.to].some((prefix) => edge.target.startsWith(prefix)))
        .map((arrow) => `${edge.file} imports ${edge.target}: ${arrow.from} may not`);
    }
    return PACKAGE_RULES.filter(
      (rule) => rule.packages.test(edge.target) && !rule.files.some((prefix) => edge.file.startsWith(prefix)),
    ).map((rule) => `${edge.file} imports ${edge.target}: ${rule.reason}`);
  });
}

/** Files and folders of one folder that import each other in a cycle. */
export interface ImportCycle {
  /** The folder; '' is the root of the project. */
  readonly level: string;
  /** Names in that folder, sorted. */
  readonly entries: readonly string[];
  /** The imports between the two entries that have the fewest, each as one sentence. */
  readonly closedBy: readonly string[];
}

const WITHOUT_CYCLES = /^(?:lib|oci|storage|auth|server|runtime-agent)\//;

/**
 * Returns the cycles of imports at every level of the sources, types included. At each folder, an import between files below two
 * of its entries is an edge between these entries.
 */
export function importCycles(imports: readonly Import[]): readonly ImportCycle[] {
  return [...edgesByLevel(imports)]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([level, edges]) =>
      cyclesOf(edges).map((entries) => ({ level, entries, closedBy: closingImports(entries, edges) })),
    );
}

/** Imports by the entry that makes them and the entry that they lead to. */
type Edges = Map<string, Map<string, Import[]>>;

function edgesByLevel(imports: readonly Import[]): ReadonlyMap<string, Edges> {
  const levels = new Map<string, Edges>();
  for (const edge of imports) {
    if (edge.file === edge.target || !WITHOUT_CYCLES.test(edge.file) || !WITHOUT_CYCLES.test(edge.target))
      continue;
    const from = edge.file.split('/');
    const to = edge.target.split('/');
    const depth = from.findIndex((name, index) => name !== to[index]);
    const edges = levels.getOrInsertComputed(from.slice(0, depth).join('/'), () => new Map());
    const targets = edges.getOrInsertComputed(from[depth] ?? '', () => new Map());
    targets.getOrInsertComputed(to[depth] ?? '', () => []).push(edge);
  }
  return levels;
}

/** Returns the strongly connected components that have more than one entry. */
function cyclesOf(edges: Edges): readonly (readonly string[])[] {
  const reached = new Map([...edges.keys()].map((entry) => [entry, reachableFrom(entry, edges)]));
  const cycles = [...reached].flatMap(([entry, targets]) => {
    if (!targets.has(entry)) return [];
    const members = [...targets].filter((target) => reached.get(target)?.has(entry)).sort();
    return members[0] === entry ? [members] : [];
  });
  return cycles;
}

function reachableFrom(entry: string, edges: Edges): ReadonlySet<string> {
  const found = new Set(edges.get(entry)?.keys());
  for (const one of found) for (const target of edges.get(one)?.keys() ?? []) found.add(target);
  return found;
}

function closingImports(entries: readonly string[], edges: Edges): readonly string[] {
  const [fewest = []] = entries
    .flatMap((from) => entries.map((to) => edges.get(from)?.get(to) ?? []))
    .filter((between) => between.length > 0)
    .sort((one, other) => one.length - other.length);
  return fewest.map(({ file, target }) => `${file} imports ${target}`);
}
