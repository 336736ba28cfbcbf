import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext, writeContextFile } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { writeTar } from '../support/tar-writer.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { callEngine } from '../unit/runtime-agent/engine-api/fakes/call-engine.ts';

enterOwnNetwork();

describe('docker build by the classic API', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const classic = { env: { DOCKER_BUILDKIT: '0' } };
  const build = (folder: string, args: readonly string[] = [], options = {}) =>
    agent.docker(['build', ...args, folder], { ...classic, ...options });

  test('builds an image that runs, finds everything in the cache the second time, and is pushed and run on another host', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image} AS make
WORKDIR /src
COPY word.txt .
ENV GREETING="hello there"
RUN echo "$GREETING $(cat word.txt)" > /made && rm /etc/group

FROM ${image} AS never
RUN exit 1

FROM ${image}
LABEL kind=test
COPY --from=make /made /greeting
WORKDIR /srv/app
RUN mkdir -p deep/er && echo x > deep/er/x && ln -s x deep/er/y
CMD ["cat", "/greeting"]
`,
      { 'word.txt': 'world\n' },
    );
    const first = await build(folder, ['-t', 'app']);
    assert.match(first.stdout, /Step 1\/11 : FROM .* AS make\n/);
    assert.match(first.stdout, /Successfully built [0-9a-f]{12}\nSuccessfully tagged app:latest\n$/);
    assert.equal((await agent.docker(['run', '--rm', 'app'])).stdout, 'hello there world\n');
    assert.equal((await agent.docker(['run', '--rm', 'app', 'readlink', 'deep/er/y'])).stdout, 'x\n');

    const id = (await agent.docker(['inspect', '-f', '{{.Id}}', 'app'])).stdout;
    const second = await build(folder, ['-t', 'app']);
    assert.equal(second.stdout.match(/---> Using cache/g)?.length, 9, second.stdout);
    assert.equal((await agent.docker(['inspect', '-f', '{{.Id}}', 'app'])).stdout, id);

    const pushed = `${image.replace(/\/.*/, '')}/team/app:1`;
    await agent.docker(['tag', 'app', pushed]);
    await agent.docker(['push', pushed]);
    const other = await startAgent(t, { args: ['--insecure-registry', image.replace(/\/.*/, '')] });
    await other.docker(['pull', pushed]);
    assert.equal((await other.docker(['inspect', '-f', '{{.Id}}', pushed])).stdout, id);
    assert.equal(
      (await other.docker(['run', '--rm', '--network', 'none', pushed])).stdout,
      'hello there world\n',
    );

    await writeContextFile(join(folder, 'word.txt'), 'moon\n');
    await build(folder, ['-t', 'app']);
    assert.equal((await agent.docker(['run', '--rm', 'app'])).stdout, 'hello there moon\n');
  });

  test('says of steps of the configuration that they are as before, where an earlier build has done them', async (t) => {
    const text = (value: string) => `FROM ${image}\nARG A=1\nENV A=${value} B=2\nLABEL a=$A\nCMD true\n`;
    const folder = await makeBuildContext(t, text('1'));
    const cached = async (...args: string[]) =>
      (await build(folder, args)).stdout.match(/^ ---> Using cache$/gm)?.length ?? 0;
    assert.equal(await cached(), 0);
    assert.equal(await cached(), 4);
    assert.equal(await cached('--no-cache'), 0);
    assert.equal(await cached('--build-arg', 'A=2'), 0);
    await writeContextFile(join(folder, 'Dockerfile'), text('"1 B=2"').replace(' B=2\n', '\n'));
    assert.equal(await cached(), 1, 'the same history is not the same step');
    await writeContextFile(join(folder, 'Dockerfile'), text('1').replace('CMD true', 'CMD false'));
    assert.equal(await cached(), 3);
  });

  test('builds by POST /build?version=2, as programs ask for BuildKit', async () => {
    const post = async (dockerfile: string) => {
      const body = writeTar([
        { name: 'Dockerfile', type: 'file', content: `FROM ${image}\nCOPY word /word\n${dockerfile}` },
        { name: 'word', type: 'file', content: 'said' },
      ]);
      return (await callEngine(agent.socket, 'POST', '/build?version=2&t=by-program', { body })).text;
    };
    assert.match(await post('RUN exit 3\n'), /"error":"Dockerfile:3: .* returned a non-zero code: 3/);
    const id = /"moby\.image\.id","aux":\{"ID":"(sha256:[0-9a-f]{64})"\}/.exec(await post(''))?.[1];
    assert.equal((await agent.docker(['inspect', '-f', '{{.Id}}', 'by-program'])).stdout.trim(), id);
  });
});
