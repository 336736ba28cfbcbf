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
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

interface CacheRecord {
  /** Of a compressed layer the digest without its algorithm. */
  readonly ID: string;
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

  /** The digest of the one layer that is compressed, when there is one. */
  async function compressedDigest(): Promise<string> {
    const [first, ...others] = await compressed();
    assert.deepEqual(others, []);
    assert.ok(first !== undefined, 'nothing is compressed');
    return `sha256:${first.ID}`;
  }

  async function statusOf(method: string, path: string): Promise<number> {
    return (await fetch(`http://${registry.host}/v2/${path}`, { method })).status;
  }

  for (const [name, command] of [
    ['buildx', ['buildx', 'build']],
    ['plain', ['build']],
  ] as const) {
    test(`${command.join(' ')} --push: a layer is uploaded while the next step runs, the tag comes last`, async (t) => {
      await forget();
      const repository = `team/beside-${name}`;
      const url = await answerWhen(t, async () => {
        assert.equal(await statusOf('HEAD', `${repository}/blobs/${await compressedDigest()}`), 200);
        assert.equal(await statusOf('GET', `${repository}/manifests/1`), 404);
      });
      const made = `RUN seq 100000 > /beside && echo ${name} >> /beside\n`;
      const waits = `RUN --network=host wget -q -O /dev/null ${url}\n`;
      const context = await makeBuildContext(t, `FROM ${image}\n${made}${waits}`);
      const options = ['--allow', 'network.host', '--push', '--tag', `${registry.host}/${repository}:1`];
      await agent.docker([...command, ...options, context]);
      assert.ok((await digests(registry.host, repository)).includes(await compressedDigest()));
    });
  }

  test('--push to a registry with a login: a layer is uploaded while the next step runs', async (t) => {
    await forget();
    const adminPassword = 'correct horse';
    const closed = await startRegistry(t, { adminPassword });
    const headers = { authorization: `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}` };
    const status = async (path: string) =>
      (await fetch(`http://${closed.host}/v2/team/app/${path}`, { method: 'HEAD', headers })).status;
    const url = await answerWhen(t, async () => {
      assert.equal(await status(`blobs/${await compressedDigest()}`), 200);
      assert.equal(await status('manifests/1'), 404);
    });
    const name = `${closed.host}/team/app:1`;
    const context = await makeBuildContext(
      t,
      `FROM ${image}\nRUN seq 100000 > /known\nRUN --network=host wget -q -O /dev/null ${url}\n`,
    );
    await agent.docker(['login', '--username=admin', '--password-stdin', closed.host], {
      input: adminPassword,
    });
    await agent.docker(['buildx', 'build', '--allow', 'network.host', '--push', '--tag', name, context]);
    assert.equal(await status('manifests/1'), 200);
  });

  test('--push without the login that the registry needs fails in the words of the push', async (t) => {
    await forget();
    const closed = await startRegistry(t, { adminPassword: 'correct horse' });
    const context = await makeBuildContext(t, `FROM ${image}\nRUN seq 100000 > /anonymous\nRUN true\n`);
    const options = ['--push', '--tag', `${closed.host}/team/app:1`];
    const refused = await agent.docker(['buildx', 'build', ...options, context], { expectExit: 1 });
    assert.match(refused.stderr, /no basic auth credentials|unauthorized|authentication required/);
  });

  test('a build that is cancelled during an upload leaves no upload open', async (t) => {
    await forget();
    const scripted = await startScriptedRegistry(t);
    const location = '/v2/team/app/blobs/uploads/session';
    const open = new Set<string>();
    scripted.intercept = ({ method, url }, response) => {
      if (method === 'POST') {
        open.add(location);
        response.writeHead(202, { location }).end();
      } else if (method === 'DELETE') {
        open.delete(url ?? '');
        response.writeHead(204).end();
      } else if (method !== 'PATCH') response.writeHead(url === '/v2/' ? 200 : 404).end('{}');
      // A chunk gets no answer.
      return true;
    };
    const context = await makeBuildContext(t, `FROM ${image}\nRUN seq 100000 > /cancelled\nRUN sleep 600\n`);
    const tag = `${scripted.host}/team/app:1`;
    const build = agent.startDocker(['buildx', 'build', '--push', '--tag', tag, context]);
    await untilPasses(async () =>
      assert.ok(scripted.requests.includes(`PATCH ${location}`), scripted.requests.join('\n')),
    );
    assert.equal(open.size, 1);
    await build.end('SIGINT');
    await untilPasses(async () => assert.deepEqual([...open], []));
    assert.ok(!scripted.requests.some((request) => request.startsWith('PUT')), 'there is no tag');
  });

  test('a build that fails after an upload leaves no tag', async (t) => {
    await forget();
    const context = await makeBuildContext(t, `FROM ${image}\nRUN seq 100000 > /failing\nRUN false\n`);
    const options = ['--push', '--tag', `${registry.host}/team/failing:1`];
    const failed = await agent.docker(['buildx', 'build', ...options, context], { expectExit: 1 });
    assert.match(failed.stderr, /returned a non-zero code: 1/);
    assert.equal(await statusOf('GET', 'team/failing/manifests/1'), 404);
  });

  test('a build whose uploads are refused is pushed with the words of the push', async (t) => {
    await forget();
    const scripted = await startScriptedRegistry(t);
    scripted.intercept = ({ method, url }, response) => {
      if (method === 'POST')
        response.writeHead(403).end('{"errors":[{"code":"DENIED","message":"no room"}]}');
      else response.writeHead(url === '/v2/' ? 200 : 404).end('{}');
      return true;
    };
    const context = await makeBuildContext(t, `FROM ${image}\nRUN seq 100000 > /refused\nRUN true\n`);
    const name = `${scripted.host}/team/app:1`;
    const pushed = await agent.docker(['buildx', 'build', '--push', '--tag', name, context], {
      expectExit: 1,
    });
    assert.match(pushed.stderr, /no room/);
    const again = await agent.docker(['push', name], { expectExit: 1 });
    assert.match(again.stderr, /no room/);
    assert.ok(!scripted.requests.some((request) => request.startsWith('PUT')), 'there is no tag');
  });

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
