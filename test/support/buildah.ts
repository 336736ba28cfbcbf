import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CleanupScope, defer } from './cleanup.ts';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

/** buildah over storage of its own. Throws CommandError. */
export type Buildah = (args: readonly string[], options?: CommandOptions) => Promise<CommandResult>;

/** Sets up buildah with storage in a fresh folder, apart from the machine's own. Needs root. */
export async function setUpBuildah(scope: CleanupScope): Promise<Buildah> {
  const directory = await makeTempDir(scope, 'buildah');
  await writeFile(
    join(directory, 'storage.conf'),
    `[storage]\ndriver = "overlay"\ngraphroot = "${directory}/root"\nrunroot = "${directory}/run"\n`,
  );
  await writeFile(join(directory, 'registries.conf'), 'unqualified-search-registries = []\n');
  await writeFile(join(directory, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  await writeFile(join(directory, 'auth.json'), '{}');
  const env = {
    CONTAINERS_STORAGE_CONF: join(directory, 'storage.conf'),
    CONTAINERS_REGISTRIES_CONF: join(directory, 'registries.conf'),
    REGISTRY_AUTH_FILE: join(directory, 'auth.json'),
    BUILDAH_ISOLATION: 'chroot',
    TMPDIR: directory,
  };
  const buildah: Buildah = (args, options = {}) =>
    runCommand('buildah', args, { ...options, env: { ...env, ...options.env } });
  defer(scope, async () => {
    await buildah(['umount', '--all'], { expectExit: 'any' });
    await buildah(['rm', '--all'], { expectExit: 'any' });
  });
  return buildah;
}
