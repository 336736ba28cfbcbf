import { execFile } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundle, UNBUNDLED } from './bundle.ts';
import { type Component, licenceTexts, spdxDocument } from './licences.ts';
import {
  ARCHITECTURES,
  type Architecture,
  type LockedPackage,
  type LockedPackages,
} from './locked-packages.ts';

const run = promisify(execFile);

/** The two programs: the file that starts each. */
export const PROGRAMS = { berth: 'server/main.ts', 'berth-agent': 'runtime-agent/main.ts' } as const;
export type Program = keyof typeof PROGRAMS;

/** Programs that strip symbols, by target architecture; the machine's own strip supports only its own. */
const STRIPS = { amd64: 'x86_64-linux-gnu-strip', arm64: 'aarch64-linux-gnu-strip' } as const;

/** Folders and files of npm packages that only compiling or reading them needs. */
const SOURCES = ['deps', 'doc', 'docs', 'include', 'share', 'test', 'vendor', 'node-addon-api'];
const BUILD_SCRIPTS = ['cnoke.cjs', 'trampolines.cjs'];
const UNUSED = /\.(?:d\.[cm]?ts|[cm]?ts|map|md|gypi?|c|cc|cpp|h|hh|hpp|inc|def|lib|S|asm|txt)$/;

export interface ProgramTreeOptions {
  /** The folder of package.json. */
  readonly root: string;
  readonly packages: LockedPackages;
  readonly version: string;
  readonly program: Program;
  /** When the sources were committed; seconds since 1970. */
  readonly epoch: number;
  /** Absent: for each architecture, with neither Node nor native code. */
  readonly architecture?: Architecture;
}

/**
 * Fills `folder` with a program: `app/main.js` and its modules, `node`, package.json, all licences, and the same as an
 * SPDX document, `sbom.spdx.json`.
 */
export async function makeProgramTree(folder: string, options: ProgramTreeOptions): Promise<void> {
  const { architecture, epoch, packages, program, root, version } = options;
  const { packages: bundled } = await bundle(root, PROGRAMS[program], join(folder, 'app'));
  const about = { name: program, version, private: true, license: 'Apache-2.0', type: 'module' };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(about, undefined, 2)}\n`);
  await copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const inside: LockedPackage[] = bundled.map((name) => packages.find(name));
  if (architecture !== undefined) {
    for (const locked of packages.closure(UNBUNDLED, architecture)) {
      if (SOURCES.includes(locked.name)) continue;
      await copyModule(await packages.folderOf(locked), join(folder, locked.path), architecture);
      inside.push(locked);
    }
    const node = packages.find(`node-linux-${ARCHITECTURES[architecture]}`);
    await copyStripped(join(await packages.folderOf(node), 'bin/node'), join(folder, 'node'), architecture);
    await chmod(join(folder, 'node'), 0o755);
    inside.push(node);
  }
  const components: Component[] = [];
  for (const locked of uniqueByPath(inside)) {
    components.push({ ...locked, texts: await licenceTexts(await packages.folderOf(locked)) });
  }
  await writeFile(join(folder, 'sbom.spdx.json'), spdxDocument({ program, version, epoch, components }));
  await writeFile(join(folder, 'LICENSES.txt'), components.map(noticeOf).join('\n'));
}

/** Copies the files that a module needs at run time, on Linux of one architecture. */
async function copyModule(from: string, to: string, architecture: Architecture): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const { name } = entry;
    if (
      name === 'node_modules' ||
      SOURCES.includes(name) ||
      BUILD_SCRIPTS.includes(name) ||
      (UNUSED.test(name) && !/^licen[cs]e/i.test(name))
    )
      continue;
    if (/^musl/.test(name) || !isOf(name, architecture)) continue;
    if (entry.isDirectory()) await copyModule(join(from, name), join(to, name), architecture);
    else if (name.endsWith('.node')) await copyStripped(join(from, name), join(to, name), architecture);
    else if (entry.isFile()) await copyFile(join(from, name), join(to, name));
  }
}

/** Prebuilt code names its system in its name. */
function isOf(name: string, architecture: Architecture): boolean {
  if (!/^(?:linux|linuxmusl|darwin|win32)-.*\.node$/.test(name)) return true;
  return name === `linux-${ARCHITECTURES[architecture]}.node`;
}

async function copyStripped(from: string, to: string, architecture: Architecture): Promise<void> {
  await cp(from, to);
  try {
    await run(STRIPS[architecture], ['--strip-unneeded', to]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(`${STRIPS[architecture]} is missing: run this by "npm run package" as root on Debian`);
  }
}

function uniqueByPath(packages: readonly LockedPackage[]): readonly LockedPackage[] {
  const byPath = new Map(packages.map((locked) => [locked.path, locked]));
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function noticeOf({ licence, name, texts, version }: Component): string {
  const line = '='.repeat(79);
  return `${line}\n${name} ${version} (${licence})\n${line}\n${texts.join('\n')}\n`;
}
