import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, type TestContext, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { callEngineAt } from '../support/engine-call.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { startRegistry } from '../support/registry-process.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

interface CacheRecord {
  readonly Description: string;
  readonly Size: number;
  readonly CreatedAt: string;
}

describe('layers that a build is to send', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { registry, agent, image } = await startAgentWithImage({ after });

  async function compressed(): Promise<readonly CacheRecord[]> {
    const { text } = await callEngineAt(agent.socket, 'GET', '/system/df?type=build-cache');
    const { BuildCache } = JSON.parse(text) as { readonly BuildCache: readonly CacheRecord[] };
    return BuildCache.filter(({ Description }) => Description.startsWith('compressed layer '));
  }

  async function forget(): Promise<void> {
    // What the last build has used may be in use still.
    await untilPasses(async () => {
      await agent.docker(['builder', 'prune', '--all', '--force']);
      assert.deepEqual(await compressed(), []);
    });
  }

  /** A server whose one answer is held back until `check` passes; its URL. */
  async function answerWhen(t: TestContext, check: () => Promise<void>): Promise<string> {
    const server = createServer((_request, response) => {
      untilPasses(check).then(
        () => response.end('go\n'),
        () => response.writeHead(500).end(),
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  async function digests(host: string, name: string): Promise<readonly string[]> {
    const accept = 'application/vnd.oci.image.manifest.v1+json';
    const answer = await fetch(`http://${host}/v2/${name}/manifests/1`, { headers: { accept } });
    const { layers } = (await answer.json()) as { readonly layers: readonly { readonly digest: string }[] };
    return layers.map(({ digest }) => digest);
  }

  for (const [flag, options] of [
    ['--push', ['--push', '--tag', `${registry.host}/team/pushed:1`]],
    ['--cache-to', ['--cache-to', `type=registry,ref=${registry.host}/team/cache:1`]],
    ['an archive', ['--output', 'type=oci,dest=/dev/null,compression=gzip']],
  ] as const) {
    test(`${flag}: a layer is compressed while the next step runs`, async (t) => {
      await forget();
      const url = await answerWhen(t, async () => assert.equal((await compressed()).length, 1));
      // Another layer for each: one that the registry has from the build before is not compressed at all, and builds
      // within one second may make the same.
      const made = `RUN seq 100000 > /numbers && echo ${flag} >> /numbers\n`;
      const waits = `RUN --network=host wget -q -O /dev/null ${url}\n`;
      const context = await makeBuildContext(t, `FROM ${image}\n${made}${waits}`);
      await agent.docker(['buildx', 'build', '--allow', 'network.host', ...options, context]);
    });
  }

  test('what is compressed once goes to other registries, is counted, and given back', async (t) => {
    await forget();
    const name = `${registry.host}/team/kept:1`;
    const context = await makeBuildContext(t, `FROM ${image}\nRUN seq 200000 > /numbers\n`);
    await agent.docker(['buildx', 'build', '--push', '--tag', name, context]);
    const first = await compressed();
    assert.equal(first.length, 1);
    const sent = await digests(registry.host, 'team/kept');

    const other = await startRegistry(t);
    const push = async (repository: string) => {
      await agent.docker(['tag', name, `${other.host}/${repository}:1`]);
      await agent.docker(['push', `${other.host}/${repository}:1`]);
      assert.deepEqual(await digests(other.host, repository), sent);
    };
    await push('team/again');
    assert.deepEqual(
      (await compressed()).map(({ CreatedAt }) => CreatedAt),
      first.map(({ CreatedAt }) => CreatedAt),
      'it was not compressed again',
    );

    await agent.docker(['builder', 'prune', '--force']);
    assert.deepEqual(await compressed(), []);
    const third = await startRegistry(t);
    await agent.docker(['tag', name, `${third.host}/team/anew:1`]);
    await agent.docker(['push', `${third.host}/team/anew:1`]);
    assert.deepEqual(await digests(third.host, 'team/anew'), sent, 'compressed anew to the same');
  });

  test('a build that sends nothing compresses nothing, and one that sends a part that part alone', async (t) => {
    await forget();
    const dockerfile = `FROM ${image} AS tools\nRUN seq 1000 > /unsent\nFROM ${image}\nCOPY --from=tools /unsent /sent\n`;
    const context = await makeBuildContext(t, dockerfile);
    for (const options of [[], ['--output', 'type=tar,dest=/dev/null'], ['--load']]) {
      await agent.docker(['buildx', 'build', '--tag', 'unsent', ...options, context]);
      assert.deepEqual(await compressed(), [], options.join(' '));
    }
    await agent.docker(['build', '--tag', 'unsent', context], { env: { DOCKER_BUILDKIT: '0' } });
    assert.deepEqual(await compressed(), []);
    await agent.docker(['buildx', 'build', '--push', '--tag', `${registry.host}/team/part:1`, context]);
    assert.equal((await compressed()).length, 1);
  });
});
