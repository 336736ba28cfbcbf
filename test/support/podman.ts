import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

export interface Podman {
  /** Podman over storage of its own. Throws CommandError. */
  podman(args: readonly string[], options?: PodmanOptions): Promise<CommandResult>;
  /** podman's storage folder. */
  readonly root: string;
  /** What leads podman, and buildah, to its storage. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface PodmanOptions extends CommandOptions {
  /** A program that runs podman, and its arguments before podman's. */
  readonly wrap?: readonly string[];
}

/**
 * Sets up podman with storage, locks and logins in a fresh folder, apart from the machine's own. It runs
 * containers with runc, since crun refuses machines with both cgroup versions. Needs root.
 */
export async function setUpPodman(
  scope: CleanupScope,
  { runtime = 'runc' }: { readonly runtime?: 'crun' | 'runc' } = {},
): Promise<Podman> {
  const directory = await makeTempDir(scope, 'podman');
  const root = join(directory, 'root');
  await writeFile(
    join(directory, 'containers.conf'),
    `[engine]
runtime = "${runtime}"
lock_type = "file"
events_logger = "none"
cgroup_manager = "cgroupfs"
tmp_dir = "${directory}/tmp"
static_dir = "${directory}/static"
volume_path = "${directory}/volumes"
[network]
network_config_dir = "${directory}/networks"
`,
  );
  await writeFile(
    join(directory, 'storage.conf'),
    `[storage]\ndriver = "overlay"\ngraphroot = "${root}"\nrunroot = "${directory}/run"\n`,
  );
  await writeFile(join(directory, 'registries.conf'), 'unqualified-search-registries = []\n');
  const env = {
    CONTAINERS_CONF: join(directory, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: join(directory, 'storage.conf'),
    CONTAINERS_REGISTRIES_CONF: join(directory, 'registries.conf'),
    REGISTRY_AUTH_FILE: join(directory, 'auth.json'),
    TMPDIR: directory,
  };
  return {
    root,
    environment: env,
    podman: (args, { wrap = [], ...options } = {}) => {
      const [command = '', ...rest] = [...wrap, 'podman', ...args];
      return runCommand(command, rest, { ...options, env: { ...env, ...options.env } });
    },
  };
}
