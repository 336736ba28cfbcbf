import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { setUpBuildah } from '../support/buildah.ts';
import { describeArchive } from '../support/describe-archive.ts';
import { DOCKERFILE_CORPUS } from '../support/dockerfile-corpus.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** What runtimes mount over, and buildah leaves in the image; the root's own folders that nobody asked for. */
const NOISE = /^(?:dev|proc|sys|run|etc\/(?:hosts|hostname|resolv\.conf))(?:\/|$)/;

describe('images are built as buildah builds them', { skip: unlessRoot(), timeout: 900_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const buildah = await setUpBuildah({ after });

  async function byAgent(folder: string, args: readonly string[], file: string): Promise<unknown> {
    await agent.docker(['build', '-t', 'corpus', ...args, folder], { env: { DOCKER_BUILDKIT: '0' } });
    // The other door of the same builder comes to the very same image.
    await agent.docker(['buildx', 'build', '-t', 'corpus-buildx', ...args, folder]);
    const ids = ['corpus', 'corpus-buildx'].map((name) => agent.docker(['inspect', '-f', '{{.Id}}', name]));
    const [classic, buildx] = await Promise.all(ids);
    assert.equal(buildx?.stdout, classic?.stdout);
    const id = (await agent.docker(['create', 'corpus', 'x'])).stdout.trim();
    await runCommand('sh', [
      '-c',
      'docker -H "$1" cp "$2:/" - > "$3"',
      'sh',
      `unix://${agent.socket}`,
      id,
      file,
    ]);
    await agent.docker(['rm', id]);
    const [inspected] = JSON.parse((await agent.docker(['inspect', 'corpus'])).stdout);
    return configOf(inspected.Config, inspected.Author);
  }

  async function byBuildah(
    folder: string,
    args: readonly string[],
    file: string,
    withTree: boolean,
  ): Promise<unknown> {
    const build = ['bud', '--format', 'docker', '--tls-verify=false', '--network', 'host', '-t', 'corpus'];
    // It would raise the limits beyond what the machine may allow.
    await buildah([...build, '--ulimit', 'nofile=1024:4096', '--ulimit', 'nproc=4096:4096', ...args, folder]);
    if (withTree) await treeByBuildah(file);
    const { Docker } = JSON.parse((await buildah(['inspect', '--type', 'image', 'localhost/corpus'])).stdout);
    return configOf(Docker.config, Docker.author);
  }

  async function treeByBuildah(file: string): Promise<void> {
    const container = (await buildah(['from', '--pull-never', 'localhost/corpus'])).stdout.trim();
    const mount = (await buildah(['mount', container])).stdout.trim();
    await runCommand('tar', ['-C', mount, '-cf', file, '.']);
    await buildah(['rm', container]);
  }

  for (const { name, dockerfile, files, args = [], except, configOnly } of DOCKERFILE_CORPUS) {
    test(name, async (t) => {
      const folder = await makeBuildContext(t, dockerfile.replaceAll('BASE', image), files);
      const work = await makeTempDir(t, 'trees');
      const ours = await byAgent(folder, args, join(work, 'ours.tar'));
      const theirs = await byBuildah(folder, args, join(work, 'theirs.tar'), configOnly !== true);
      assert.deepEqual(ours, theirs);
      if (configOnly) return;
      const lines = async (tar: string) =>
        [...(await describeArchive(join(work, tar)))]
          .filter(([path]) => !NOISE.test(path) && except?.test(path) !== true)
          .map(([path, line]) => `${path} ${line}`);
      assert.deepEqual(await lines('ours.tar'), await lines('theirs.tar'));
    });
  }
});

interface Configured {
  readonly [field: string]: unknown;
  readonly Env?: readonly string[];
  readonly Labels?: Readonly<Record<string, string>>;
}

/** The part of a configuration that decides how an image runs; absent and empty are the same. */
function configOf(config: Configured, author: string | undefined): object {
  const { 'io.buildah.version': _, ...labels } = config.Labels ?? {};
  const fields: Readonly<Record<string, unknown>> = {
    User: config.User || '',
    Env: [...(config.Env ?? [])].sort(),
    Cmd: config.Cmd ?? [],
    Entrypoint: config.Entrypoint ?? [],
    WorkingDir: config.WorkingDir || '/',
    ExposedPorts: config.ExposedPorts ?? {},
    Volumes: config.Volumes ?? {},
    Labels: labels,
    StopSignal: config.StopSignal ?? '',
    OnBuild: config.OnBuild ?? [],
    Shell: config.Shell ?? [],
    Healthcheck: config.Healthcheck ?? {},
    Author: author ?? '',
  };
  return fields;
}
