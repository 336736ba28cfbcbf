import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { AGENT_EXIT_CODES } from '../runtime-agent/cli/exit-codes.ts';
import { HELP as AGENT_HELP } from '../runtime-agent/cli/help.ts';
import { EXIT_CODES } from '../server/cli/exit-codes.ts';
import { COMMAND_HELP, HELP } from '../server/cli/help.ts';
import { makeArchiveTree, makeNpmTree, packFolder, writeChecksums } from './package/archives.ts';
import { type Compression, makeDebianPackage } from './package/debian.ts';
import { ARCHITECTURES, type Architecture, LockedPackages } from './package/locked-packages.ts';
import type { Manual } from './package/manual.ts';
import { makeProgramTree, PROGRAMS, type Program } from './package/program-tree.ts';

/**
 * `npm run package`: packages of both programs in dist/, with their checksums. --architecture NAME makes those of one
 * architecture; --compression none is fast, for tests; --output DIR chooses another folder. Two runs on one commit give
 * the same bytes.
 */
const run = promisify(execFile);
const root = dirname(import.meta.dirname);

const { values } = parseArgs({
  options: {
    architecture: { type: 'string', multiple: true, default: Object.keys(ARCHITECTURES) },
    compression: { type: 'string', default: 'xz' },
    output: { type: 'string', default: join(root, 'dist') },
  },
});
const architectures = values.architecture.filter((name): name is Architecture =>
  Object.hasOwn(ARCHITECTURES, name),
);
const compression = (['xz', 'none'] as const).find((name) => name === values.compression);
if (compression === undefined || architectures.length < values.architecture.length) {
  console.error('package: --architecture is amd64 or arm64; --compression is xz or none');
  process.exit(2);
}

const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
const epoch = await commitTime();
const packages = await LockedPackages.read(root, join(root, 'node_modules/.cache/berth-package'));
const manuals: Readonly<Record<Program, Manual>> = {
  berth: {
    program: 'berth',
    version,
    about: 'private OCI registry, and apps on hosts',
    help: HELP,
    commands: COMMAND_HELP,
    exitCodes: EXIT_CODES,
  },
  'berth-agent': {
    program: 'berth-agent',
    version,
    about: 'Docker Engine API for containers on this host',
    help: AGENT_HELP,
    commands: {},
    exitCodes: AGENT_EXIT_CODES,
  },
};
const work = await mkdtemp(join(tmpdir(), 'berth-package-'));
try {
  await makeAll(values.output, compression);
} finally {
  await rm(work, { recursive: true, force: true });
}

async function makeAll(output: string, compression: Compression): Promise<void> {
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const programs = Object.keys(PROGRAMS) as Program[];
  const npm = join(work, 'npm/tree');
  await makeProgramTree(npm, { root, packages, version, epoch, program: 'berth' });
  await makeNpmTree(npm, join(work, 'npm/package'), { packages, version });
  await packFolder(join(work, 'npm/package'), said(join(output, `berth-${version}.tgz`)), epoch);
  for (const architecture of architectures) {
    const trees = { berth: '', 'berth-agent': '' };
    for (const program of programs) {
      const tree = join(work, architecture, program);
      await mkdir(tree, { recursive: true });
      await makeProgramTree(tree, { root, packages, version, epoch, program, architecture });
      trees[program] = join(work, architecture, `${program}-archive`);
      await cp(tree, trees[program], { recursive: true });
      const folder = join(work, architecture, `${program}-deb`);
      const options = { root, program, version, architecture, manual: manuals[program], compression, epoch };
      said(await makeDebianPackage(tree, folder, output, options));
    }
    const archive = join(work, architecture, `berth-${version}`);
    await makeArchiveTree(trees, archive);
    const suffix = compression === 'none' ? 'tar' : 'tar.xz';
    await packFolder(archive, said(join(output, `berth-${version}-linux-${architecture}.${suffix}`)), epoch);
    await rm(join(work, architecture), { recursive: true });
  }
  await writeChecksums(output);
}

function said(file: string): string {
  console.log(file);
  return file;
}

/** Returns the time of the sources, in seconds since 1970; SOURCE_DATE_EPOCH gives it outside a repository. */
async function commitTime(): Promise<number> {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  const { stdout } = await run('git', ['log', '-1', '--format=%ct'], { cwd: root });
  return Number(stdout);
}
