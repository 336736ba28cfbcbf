import type { Import } from './imports.ts';

/** What the files below a folder may import beyond that folder; nothing else of the project. */
interface Arrow {
  readonly from: string;
  readonly to: readonly string[];
}

const ARROWS: readonly Arrow[] = [
  { from: 'lib/', to: [] },
  { from: 'oci/', to: ['lib/'] },
  { from: 'storage/', to: ['lib/', 'oci/'] },
  { from: 'auth/', to: ['lib/', 'oci/'] },
  { from: 'server/', to: ['lib/', 'oci/', 'storage/', 'auth/'] },
  { from: 'runtime-agent/', to: ['lib/', 'oci/', 'storage/', 'auth/'] },
  { from: 'deploy/', to: [] },
  { from: 'test/', to: ['lib/', 'oci/', 'storage/', 'auth/', 'server/', 'runtime-agent/', 'deploy/'] },
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
    files: ['lib/files/file-lock.ts', 'storage/', 'auth/', 'runtime-agent/', 'test/'],
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
    ],
    reason: 'the routes of server/ and auth/ touch no files',
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
