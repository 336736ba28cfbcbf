import assert from 'node:assert/strict';
import { link } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import type { Docker } from '../support/docker-cli.ts';
import { startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** Files `d/a`, `d/b` and `z` are one, as are two in the archive. */
async function makeContext(t: TestContext, instructions: string): Promise<string> {
  const folder = await makeBuildContext(t, `FROM scratch\n${instructions}\nCMD ["x"]\n`, {
    'd/a': 'linked\n',
    'other/b': 'other\n',
    '.dockerignore': 'packed\n',
  });
  await link(join(folder, 'd/a'), join(folder, 'd/b'));
  await link(join(folder, 'd/a'), join(folder, 'z'));
  const pack = 'mkdir packed && echo one > packed/one && ln packed/one packed/two && tar -cf p.tar packed';
  await runCommand('sh', ['-c', `cd ${folder} && ${pack}`]);
  return folder;
}

/** Each entry of the layers of an image: its kind, its name, and what it is a name of. */
async function layersOf(
  t: TestContext,
  { docker }: Pick<Docker, 'docker'>,
  image: string,
): Promise<readonly string[]> {
  const folder = await makeTempDir(t, 'saved');
  await docker(['save', '-o', join(folder, 'image.tar'), image]);
  const { stdout } = await runCommand('sh', [
    '-c',
    `cd ${folder} && tar -xf image.tar && for blob in blobs/sha256/*; do tar -tvf "$blob" 2>/dev/null; done; true`,
  ]);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [, kind = '', name = ''] = /^(.)\S+ +\S+ +\d+ \S+ \S+ (.*)$/.exec(line) ?? [];
      return `${kind} ${name}`;
    })
    .sort();
}

describe('hard links among what is copied', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { agent } = await startAgentWithImage(scope);
  const dockerd = await startDockerd(scope);

  for (const [what, instructions] of [
    ['a folder', 'COPY d /in/'],
    ['the whole context', 'COPY . /in/'],
    ['several sources', 'COPY d/a d/b z /in/'],
    ['a pattern', 'COPY d/* /in/'],
    ['one of the names', 'COPY d/b /in/'],
    ['owners and modes', 'COPY --chown=5:6 d /in/'],
    ['two steps', 'COPY d /in/\nCOPY z /in/'],
    ['another stage', 'COPY . /in/\nFROM scratch\nCOPY --from=0 / /all/\nCOPY --from=0 /in/d /d'],
    ['an archive', 'ADD p.tar /in/'],
    ['a name that another source takes', 'COPY d other /in/'],
  ] as const) {
    for (const env of [{ DOCKER_BUILDKIT: '1' }, { DOCKER_BUILDKIT: '0' }]) {
      const api = env.DOCKER_BUILDKIT === '1' ? 'buildx' : 'the classic API';
      test(`${what}: as dockerd has them, by ${api}`, async (t) => {
        const folder = await makeContext(t, instructions);
        const listed = [agent, dockerd].map(async (engine) => {
          await engine.docker(['build', '--tag', 'linked', folder], { env });
          return await layersOf(t, engine, 'linked');
        });
        const [ours, theirs] = await Promise.all(listed);
        assert.deepEqual(ours, theirs);
        assert.ok(ours?.some((line) => line.endsWith('in/') || line.includes('d/')));
      });
    }
  }

  test('whether files are one decides on the step', async (t) => {
    const folder = await makeContext(t, 'COPY d /in/');
    const build = async () =>
      (await agent.docker(['build', '--progress=plain', '--tag', 'l', folder])).stderr;
    await build();
    assert.match(await build(), /COPY d \/in\/\n#\d+ CACHED/);
    await runCommand('sh', ['-c', `cd ${folder}/d && cp b c && mv c b`]);
    assert.doesNotMatch(await build(), /COPY d \/in\/\n#\d+ CACHED/);
    assert.deepEqual(await layersOf(t, agent, 'l'), ['- in/a', '- in/b', 'd in/']);
  });
});
