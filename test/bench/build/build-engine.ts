import { join } from 'node:path';
import { type AgentProcess, startAgent } from '../../support/agent-process.ts';
import { setUpBuildah } from '../../support/buildah.ts';
import type { CleanupScope } from '../../support/cleanup.ts';
import { type Dockerd, startDockerd } from '../../support/dockerd.ts';
import type { CommandOptions, CommandResult } from '../../support/run-command.ts';

type Run = (args: readonly string[], options?: CommandOptions) => Promise<CommandResult>;

/** What builds images by the commands that people type. */
export interface BuildEngine {
  readonly name: string;
  /** `docker build`, or what is like it; `args` before the context. */
  build(context: string, args: readonly string[]): Promise<void>;
  pull(image: string): Promise<void>;
  push(image: string): Promise<void>;
  /** No step that was built is known afterwards. */
  forget(): Promise<void>;
  /** How its steps go from host to host by a registry; undefined where they do not. */
  readonly remoteCache: RemoteCacheHosts | undefined;
}

/** Hosts that share their steps by `--cache-to` and `--cache-from` of the type registry. */
export interface RemoteCacheHosts {
  /** One that has built. */
  writer(scope: CleanupScope): Promise<BuildEngine>;
  /** One that has never built. */
  fresh(scope: CleanupScope): Promise<BuildEngine>;
}

const BUILD_TIMEOUT = 600_000;

/** By `docker build` with buildx, as it is installed. */
export function berthEngine(agent: AgentProcess): BuildEngine {
  const engine: BuildEngine = {
    ...dockerEngine('Berth', agent.docker, {}),
    remoteCache: { writer: async () => engine, fresh: startBerthEngine },
  };
  return engine;
}

export async function startBerthEngine(scope: CleanupScope): Promise<BuildEngine> {
  return berthEngine(await startAgent(scope));
}

export function classicEngine({ docker }: Dockerd): BuildEngine {
  return dockerEngine('dockerd, classic', docker, { DOCKER_BUILDKIT: '0' });
}

/** Caches in registries are of other daemons, whose images are containerd's: the usual store of dockerd can write none. */
export function buildKitEngine({ docker }: Dockerd): BuildEngine {
  const ofContainerd = async (scope: CleanupScope) =>
    buildKitEngine(await startDockerd(scope, { network: 'here', images: 'containerd' }));
  return {
    ...dockerEngine('dockerd, BuildKit', docker, { DOCKER_BUILDKIT: '1' }),
    remoteCache: { writer: ofContainerd, fresh: ofContainerd },
  };
}

export function startDockerdHere(scope: CleanupScope): Promise<Dockerd> {
  return startDockerd(scope, { network: 'here' });
}

function dockerEngine(name: string, docker: Run, env: Readonly<Record<string, string>>): BuildEngine {
  return {
    name,
    remoteCache: undefined,
    build: async (context, args) => {
      await docker(['build', '--quiet', ...args, context], { env, timeoutMs: BUILD_TIMEOUT });
    },
    pull: async (image) => {
      await docker(['pull', '--quiet', image], { timeoutMs: BUILD_TIMEOUT });
    },
    push: async (image) => {
      await docker(['push', '--quiet', image], { timeoutMs: BUILD_TIMEOUT });
    },
    forget: async () => {
      const tags = (await docker(['images', '--quiet', '--filter', 'reference=bench*'])).stdout.split('\n');
      const ids = [...new Set(tags.filter(Boolean))];
      if (ids.length > 0) await docker(['rmi', '--force', ...ids], { timeoutMs: BUILD_TIMEOUT });
      await docker(['image', 'prune', '--force'], { timeoutMs: BUILD_TIMEOUT });
      await docker(['builder', 'prune', '--all', '--force'], { env, timeoutMs: BUILD_TIMEOUT });
    },
  };
}

export async function startBuildah(scope: CleanupScope): Promise<BuildEngine> {
  const run = await setUpBuildah(scope);
  const buildah = async (args: readonly string[]) => {
    await run(args, { env: { BUILDAH_LAYERS: 'true' }, timeoutMs: BUILD_TIMEOUT });
  };
  return {
    name: 'buildah',
    remoteCache: undefined,
    build: (context, args) =>
      buildah([
        'build',
        '--quiet',
        '--layers',
        '--pull=never',
        // Its defaults are beyond what some machines allow.
        '--ulimit',
        'nofile=1024:4096',
        '--ulimit',
        'nproc=4096:4096',
        '--file',
        join(context, 'Dockerfile'),
        ...args,
        context,
      ]),
    pull: (image) => buildah(['pull', '--quiet', '--tls-verify=false', image]),
    push: (image) => buildah(['push', '--quiet', '--tls-verify=false', image]),
    forget: () => buildah(['rmi', '--all', '--force']),
  };
}
