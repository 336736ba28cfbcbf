import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';

/** Loaded as they are: native code, and modules that Berth loads as CommonJS at run time. */
export const UNBUNDLED = ['better-sqlite3', 'koffi', '@koa/router', 're2js'] as const;

/** Drivers that the libraries look for and Berth does not have. */
const ABSENT = [
  ...[
    'mysql',
    'mysql2',
    'mariadb',
    'mariadb/callback',
    'oracledb',
    'tedious',
    'sqlite3',
    'mssql',
    'bun:sqlite',
  ],
  ...['pg-native', 'pg-cloudflare', 'pg-query-stream'],
];

/** Lets CommonJS modules load Node's built-in modules. */
const REQUIRE =
  "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);";

/** A file that is started as a thread or process, as the sources name it. */
const STARTED = /new URL\('(?:\.\/)?([\w-]+)\.ts', import\.meta\.url\)/g;

/** A file or folder that a program reads, as the sources name it: it is copied into the bundle, without the `../` before it. */
const READ = /new URL\('(\.\/|(?:\.\.\/)+)((?:[\w-]+\/)+|[\w/-]+\.md)', import\.meta\.url\)/g;

/** The inputs of a bundle. */
export interface Bundle {
  /** Names of the npm packages whose code is in it. */
  readonly packages: readonly string[];
}

/**
 * Compiles a program to JavaScript in one folder: `main.js`, a file for each thread and process that it starts, and
 * shared chunks, loaded on demand. Reproducible.
 */
export async function bundle(root: string, main: string, folder: string): Promise<Bundle> {
  const started = new Set<string>();
  const read = new Map<string, string>();
  for (;;) {
    const before = started.size;
    const entries = [{ in: join(root, main), out: 'main' }, ...[...started].sort().map(entryOf)];
    const result = await build({
      absWorkingDir: root,
      entryPoints: entries,
      outdir: folder,
      write: false,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node26',
      external: [...UNBUNDLED, ...ABSENT],
      banner: { js: REQUIRE },
      chunkNames: '[name]-[hash]',
      charset: 'utf8',
      legalComments: 'none',
      metafile: true,
      logLevel: 'error',
      plugins: [collectStarted(root, started, read)],
    });
    if (started.size > before) continue;
    await mkdir(folder, { recursive: true });
    for (const { path, contents } of result.outputFiles) await writeFile(path, contents);
    for (const [to, from] of read) await cp(from, join(folder, to), { recursive: true });
    return { packages: packagesOf(result.metafile) };
  }
}

function entryOf(file: string) {
  return { in: file, out: basename(file, '.ts') };
}

/** All files of a bundle are in one folder: started files are found beside the file that starts them. */
function collectStarted(root: string, started: Set<string>, read: Map<string, string>): Plugin {
  return {
    name: 'started-files',
    setup: (compiler) => {
      compiler.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (relative(root, path).startsWith('node_modules')) return undefined;
        const source = await readFile(path, 'utf8');
        const contents = source
          .replace(STARTED, (_, name: string) => {
            started.add(join(dirname(path), `${name}.ts`));
            return `new URL('./${name}.js', import.meta.url)`;
          })
          .replace(READ, (_, up: string, name: string) => {
            read.set(name, join(dirname(path), up, name));
            return `new URL('./${name}', import.meta.url)`;
          });
        return { contents, loader: 'ts' };
      });
    },
  };
}

function packagesOf({ inputs }: Metafile): readonly string[] {
  const names = Object.keys(inputs).flatMap((path) => {
    const inside = path.split('node_modules/').at(-1) ?? '';
    if (!path.includes('node_modules/')) return [];
    return inside
      .split('/')
      .slice(0, inside.startsWith('@') ? 2 : 1)
      .join('/');
  });
  return [...new Set(names)].sort();
}
