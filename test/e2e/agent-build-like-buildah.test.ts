import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { setUpBuildah } from '../support/buildah.ts';
import { describeArchive } from '../support/describe-archive.ts';
import { DOCKERFILE_CORPUS } from '../support/dockerfile-corpus.ts';
import { callEngineAt } from '../support/engine-call.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** What runtimes mount over, and buildah leaves in the image; the root's own folders that nobody asked for. */
const NOISE = /^(?:dev|proc|sys|run|etc\/(?:hosts|hostname|resolv\.conf))(?:\/|$)/;

describe('images are built as buildah builds them', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const buildah = await setUpBuildah({ after });

  /** By the API itself: the client is looked at elsewhere, and would be started some hundred times. */
  async function call(method: string, path: string, body?: object) {
    const { status, text } = await callEngineAt(agent.socket, method, `/v1.45${path}`, body);
    assert.ok(status < 300, `${method} ${path}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async function byAgent(
    folder: string,
    args: readonly string[],
    file: string,
    withTree: boolean,
  ): Promise<unknown> {
    await agent.docker(['build', '-t', 'corpus', ...args, folder], { env: { DOCKER_BUILDKIT: '0' } });
    // BuildKit's API makes the same image.
    await agent.docker(['buildx', 'build', '-t', 'corpus-buildx', ...args, folder]);
    const images = ['corpus', 'corpus-buildx'].map((name) => call('GET', `/images/${name}/json`));
    const [classic, buildx] = await Promise.all(images);
    assert.equal(buildx.Id, classic.Id);
    if (withTree) {
      const { Id } = await call('POST', '/containers/create', { Image: 'corpus', Cmd: ['x'] });
      await download(`/v1.45/containers/${Id}/archive?path=/`, file);
      await call('DELETE', `/containers/${Id}`);
    }
    return configOf(classic.Config, classic.Author);
  }

  async function download(path: string, file: string): Promise<void> {
    const sent = request({ socketPath: agent.socket, path, agent: false });
    sent.end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    assert.equal(answer.statusCode, 200);
    await pipeline(answer, createWriteStream(file));
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
      const ours = await byAgent(folder, args, join(work, 'ours.tar'), configOnly !== true);
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
