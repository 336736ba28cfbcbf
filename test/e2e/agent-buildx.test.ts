import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** `docker build` as people have it: with buildx, against the agent and a registry. */
describe('docker build with buildx', { skip: unlessRoot(), timeout: 240_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { registry, agent, image } = await startAgentWithImage(scope);
  const { docker } = agent;

  async function folder(files: Record<string, string>): Promise<string> {
    const path = await makeTempDir(scope, 'context');
    for (const [name, content] of Object.entries(files)) {
      await mkdir(join(path, name, '..'), { recursive: true });
      await writeFile(join(path, name), content);
    }
    return path;
  }

  async function build(args: readonly string[], expectExit = 0): Promise<string> {
    return (await docker(['build', '--progress=plain', ...args], { expectExit })).stderr;
  }

  test('build, change a file, build again, push, run', async () => {
    const name = `${registry.host}/team/app:1`;
    const context = await folder({
      Dockerfile: `FROM ${image}\nWORKDIR /app\nRUN echo made > made && echo said\nCOPY words .\nCMD ["cat", "made", "words"]\n`,
      words: 'first\n',
    });
    const first = await build(['-t', name, context]);
    assert.match(first, /said/);
    assert.equal((await docker(['run', '--rm', name])).stdout, 'made\nfirst\n');

    const second = await build(['-t', name, context]);
    assert.match(second, /RUN echo made > made && echo said\n#\d+ CACHED/);
    assert.match(second, /COPY words \.\n#\d+ CACHED/);

    await writeFile(join(context, 'words'), 'second\n');
    const third = await build(['-t', name, context]);
    assert.match(third, /RUN echo made > made && echo said\n#\d+ CACHED/);
    assert.doesNotMatch(third, /COPY words \.\n#\d+ CACHED/);
    assert.equal((await docker(['run', '--rm', name])).stdout, 'made\nsecond\n');

    await docker(['push', name]);
    await docker(['rmi', name]);
    assert.equal((await docker(['run', '--rm', name])).stdout, 'made\nsecond\n');
  });
});
