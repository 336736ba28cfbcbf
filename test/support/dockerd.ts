import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { runDocker } from './docker-cli.ts';
import { startProcess } from './managed-process.ts';
import type { CommandOptions, CommandResult } from './run-command.ts';
import { makeTempDir } from './temp-dir.ts';

/** A Docker daemon of the test's own, beside any that the machine has. */
export interface Dockerd {
  /** `unix://…`, for `docker -H`. */
  readonly host: string;
  /** The docker CLI against this daemon, with a configuration (logins) of its own. Throws CommandError. */
  docker(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** dockerd and its containerd. */
  pids(): readonly number[];
  /** Its folder, with the CLI's configuration in `cli`; removed at the end. */
  readonly directory: string;
}

/**
 * Starts Debian's dockerd, and a containerd for it alone, over a fresh folder, without any network set-up unless asked,
 * and waits until it answers. It takes registries on 127.0.0.0/8 as insecure ones, as dockerd always does.
 * Needs root.
 */
export async function startDockerd(
  scope: CleanupScope,
  /**
   * `own`: in a namespace of its own, where it makes bridges and rules as it likes, and reaches no registry. `here`: it
   * does so in the namespace of this process, which is a test's own.
   */
  {
    network = 'none',
    images = 'own',
  }: {
    readonly network?: 'none' | 'own' | 'here';
    /** Who keeps its images: with `containerd` BuildKit can write its cache to a registry. */
    readonly images?: 'own' | 'containerd';
  } = {},
): Promise<Dockerd> {
  // Sockets lie in here, and their paths must stay under 108 bytes.
  const directory = await makeTempDir(scope, 'dockerd');
  const containerd = join(directory, 'c.sock');
  const containerdConfig = join(directory, 'containerd.toml');
  const dockerConfig = join(directory, 'cli');
  await mkdir(dockerConfig);
  await writeFile(
    containerdConfig,
    `version = 2
root = "${directory}/containerd"
state = "${directory}/containerd-run"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${containerd}"
`,
  );
  const features = { 'containerd-snapshotter': images === 'containerd' };
  await writeFile(join(directory, 'daemon.json'), JSON.stringify({ features }));

  const first = startProcess(scope, 'containerd', ['--config', containerdConfig]);
  await first.waitForLine(/containerd successfully booted/);
  const apart = ['--net', '--', '/bin/sh', '-c', 'ip link set lo up && exec "$@"', 'sh', 'dockerd'];
  const daemon = startProcess(scope, network === 'own' ? 'unshare' : 'dockerd', [
    ...(network === 'own' ? apart : []),
    `--config-file=${directory}/daemon.json`,
    `--data-root=${directory}/data`,
    `--exec-root=${directory}/run`,
    `--pidfile=${directory}/pid`,
    `--host=unix://${directory}/d.sock`,
    `--containerd=${containerd}`,
    ...(network !== 'none' ? [] : ['--iptables=false', '--ip6tables=false', '--bridge=none']),
  ]);
  await daemon.waitForLine(/API listen on/);

  const host = `unix://${directory}/d.sock`;
  return {
    directory,
    host,
    pids: () => [first.pid, daemon.pid],
    docker: (args, options = {}) =>
      runDocker(['-H', host, ...args], {
        ...options,
        env: { DOCKER_CONFIG: dockerConfig, ...options.env },
      }),
  };
}
