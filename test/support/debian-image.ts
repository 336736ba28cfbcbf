import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addLayer, type Layer } from './layer.ts';
import { runCommand } from './run-command.ts';
import { tarTree } from './tar-tree.ts';
import { addImage, type TestImage } from './test-image.ts';

/** Packages that every Debian has, a layer for each group; what they depend on comes with them. */
const GROUPS: readonly (readonly string[])[] = [
  ['base-files', 'libc6', 'libc-bin'],
  ['bash', 'dash', 'coreutils', 'grep', 'sed', 'findutils', 'tar', 'gzip'],
  ['dpkg', 'perl-base', 'util-linux', 'login', 'passwd'],
];

/**
 * A small Debian in four layers: three of packages, from their files on this machine, and one that
 * sets up /etc and deletes the documentation by whiteouts. Needs root, for files that only root reads.
 */
export async function addDebianImage(layout: string, workDir: string): Promise<TestImage> {
  const depends = await readDependencies();
  const seen = new Set<string>();
  const layers: Layer[] = [];
  for (const [index, group] of GROUPS.entries()) {
    const packages = closure(group, depends, seen);
    const tree = join(workDir, `packages-${index}`);
    await copyPackages(packages, tree);
    layers.push(await addLayer(layout, tarTree(tree)));
  }
  const settings = join(workDir, 'settings');
  await mkdir(join(settings, 'etc'), { recursive: true });
  await mkdir(join(settings, 'usr/share'), { recursive: true });
  await writeFile(join(settings, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/bash\n');
  await writeFile(join(settings, 'etc/group'), 'root:x:0:\n');
  await writeFile(join(settings, 'usr/share/.wh.doc'), '');
  await writeFile(join(settings, 'usr/share/.wh.man'), '');
  layers.push(await addLayer(layout, tarTree(settings, { ownedByRoot: true })));
  return addImage(layout, 'debian', layers, { cmd: ['/bin/bash'] });
}

/** The installed packages, and the names that each depends on. */
async function readDependencies(): Promise<ReadonlyMap<string, readonly string[]>> {
  const format = '$' + '{Package}\\t$' + '{Pre-Depends}, $' + '{Depends}\\t$' + '{db:Status-Status}\\n';
  const { stdout } = await runCommand('dpkg-query', ['-W', '-f', format]);
  const installed = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([, , status]) => status === 'installed');
  return new Map(
    installed.map(([name = '', depends = '']) => [
      name,
      depends.split(/[,|]/).map((dependency) => dependency.trim().replace(/[ :].*/, '')),
    ]),
  );
}

/** `names` and all that they depend on, except what is in `seen`, to which they are added. */
function closure(
  names: readonly string[],
  depends: ReadonlyMap<string, readonly string[]>,
  seen: Set<string>,
): readonly string[] {
  const found: string[] = [];
  const queue = [...names];
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (seen.has(name) || !depends.has(name)) continue;
    seen.add(name);
    found.push(name);
    queue.push(...(depends.get(name) ?? []));
  }
  return found;
}

/** Copies what packages own from this machine: links, modes, owners and xattrs as they are. */
async function copyPackages(packages: readonly string[], tree: string): Promise<void> {
  await mkdir(tree, { recursive: true });
  // The readlink resolves /bin/sh to /usr/bin/sh, where /bin is a symlink that base-files owns.
  const script = `
    set -eu
    dpkg-query -L "$@" | grep '^/.' | sort -u | while IFS= read -r path; do
      parent=$(readlink -f -- "\${path%/*}/") && [ -e "$path" -o -L "$path" ] || continue
      [ "$parent" = / ] && parent=
      printf '%s\\0' ".$parent/\${path##*/}"
    done | sort -zu | tar -C / --null --no-recursion --xattrs --xattrs-include='*' --numeric-owner -cf - -T - |
      tar -C "$TREE" --xattrs --xattrs-include='*' --numeric-owner -xpf -`;
  await runCommand('bash', ['-o', 'pipefail', '-c', script, 'copy', ...packages], { env: { TREE: tree } });
}
