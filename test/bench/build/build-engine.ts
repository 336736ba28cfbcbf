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
  /** Whether it takes `--cache-to` and `--cache-from` of a registry. */
  readonly remoteCache: boolean;
}

const BUILD_TIMEOUT = 600_000;

/** By `docker build` with buildx, as it is installed. */
export function berthEngine(agent: AgentProcess, name = 'Berth'): BuildEngine {
  return dockerEngine(name, agent.docker, true, {});
}

export async function startBerthEngine(scope: CleanupScope, name?: string): Promise<BuildEngine> {
  return berthEngine(await startAgent(scope), name);
}

export function classicEngine({ docker }: Dockerd): BuildEngine {
  return dockerEngine('dockerd, classic', docker, false, { DOCKER_BUILDKIT: '0' });
}

export function buildKitEngine({ docker }: Dockerd): BuildEngine {
  return dockerEngine('dockerd, BuildKit', docker, false, { DOCKER_BUILDKIT: '1' });
}

export function startDockerdHere(scope: CleanupScope): Promise<Dockerd> {
  return startDockerd(scope, { network: 'here' });
}

function dockerEngine(
  name: string,
  docker: Run,
  remoteCache: boolean,
  env: Readonly<Record<string, string>>,
): BuildEngine {
  return {
    name,
    remoteCache,
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
    remoteCache: false,
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
