import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

/** Compose embeds buildx: an application of two services that it builds. */
describe('docker compose builds', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const { agent, image } = await startAgentWithImage(scope);
  const dockerfile = (name: string) =>
    `FROM ${image}\nCOPY words /words\nRUN echo ${name} >> /words\nCMD ["sh", "-c", "cat /words; exec sleep 1000"]\n`;
  const application = await makeBuildContext(scope, '', {
    'compose.yaml': JSON.stringify({
      name: 'application',
      services: {
        web: { build: './web', depends_on: ['db'], stop_grace_period: '0s' },
        db: {
          build: { context: './db', args: { A: '1' } },
          image: 'application-data',
          stop_grace_period: '0s',
        },
      },
    }),
    'web/Dockerfile': dockerfile('web'),
    'web/words': 'first\n',
    'db/Dockerfile': `${dockerfile('db')}ARG A\nENV A=$A\n`,
    'db/words': 'data\n',
  });
  const compose = (...args: string[]) => agent.docker(['compose', ...args], { cwd: application });
  const containers = async () => {
    const { stdout } = await agent.docker(['ps', '--no-trunc', '--format', '{{.Names}} {{.ID}}']);
    return Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ')),
    ) as Record<string, string>;
  };
  test('build makes an image for each service', async () => {
    const { stdout } = await compose('build');
    assert.match(stdout, /web.*RUN echo web/);
    assert.match(stdout, /db.*RUN echo db/);
    assert.equal(
      (await agent.docker(['run', '--rm', 'application-data', 'cat', '/words'])).stdout,
      'data\ndb\n',
    );
    assert.equal(
      (await agent.docker(['run', '--rm', 'application-web', 'cat', '/words'])).stdout,
      'first\nweb\n',
    );
  });

  test('up --build starts what it built, and the second time changes nothing', async () => {
    await compose('up', '--build', '--detach');
    const first = await containers();
    assert.deepEqual(Object.keys(first).sort(), ['application-db-1', 'application-web-1']);
    await compose('up', '--build', '--detach');
    assert.deepEqual(await containers(), first);
    await compose('up', '--detach');
    assert.deepEqual(await containers(), first);
  });

  test('up --build rebuilds and replaces only what changed', async () => {
    const before = await containers();
    await writeFile(join(application, 'web/words'), 'second\n');
    const { stdout: told } = await compose('--progress=plain', 'up', '--build', '--detach');
    assert.match(told, /db.*RUN echo db >> \/words\n#\d+ CACHED/);
    const now = await containers();
    assert.equal(now['application-db-1'], before['application-db-1']);
    assert.notEqual(now['application-web-1'], before['application-web-1']);
    await untilPasses(async () => {
      const { stdout } = await agent.docker(['logs', 'application-web-1']);
      assert.equal(stdout, 'second\nweb\n');
    });
  });
});
