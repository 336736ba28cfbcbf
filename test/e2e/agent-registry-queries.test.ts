import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startDockerd } from '../support/dockerd.ts';
import { freePort } from '../support/free-port.ts';
import { sendRequest } from '../support/http-client.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { hostArchitecture } from '../support/test-image.ts';
import { makeBusyboxImage, makeMultiArchImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

describe('what the agent asks registries', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const registry = await startRegistry(scope);
  const { host } = registry;
  const folder = await imageFolder(scope);
  const image = await makeBusyboxImage(folder);
  const index = await makeMultiArchImage(folder);
  for (const tag of ['1', '2', 'latest']) await pushLayout(image, `${host}/team/app:${tag}`);
  await pushLayout(index, `${host}/team/multi:1`);
  const agent = await startAgent(scope);
  const daemon = await startDockerd(scope);
  const raw = async (engine: { readonly host: string }, path: string) => {
    const socket = engine.host.replace('unix://', '');
    const { stdout } = await runCommand('curl', [
      '-s',
      '--unix-socket',
      socket,
      `http://engine/v1.45${path}`,
    ]);
    return stdout;
  };

  test('docker search, as dockerd answers it', async () => {
    for (const args of [
      [`${host}/app`],
      [`${host}/team`, '--no-trunc'],
      [`${host}/m`, '--format', '{{.Name}} {{.StarCount}} {{.IsOfficial}}'],
      [`${host}/team`, '--limit', '1'],
      [`${host}/team`, '--limit', '101'],
      [`${host}/team`, '--filter', 'is-official=true'],
      [`${host}/team`, '--filter', 'stars=1'],
      [`${host}/team`, '--filter', 'is-official=false'],
      [`${host}/team`, '--filter', 'nonsense=1'],
      [`${host}/team`, '--filter', 'is-official=perhaps'],
      [`${host}/nothing-like-it`],
    ]) {
      const [ours, theirs] = await Promise.all(
        [agent, daemon].map((engine) => engine.docker(['search', ...args], { expectExit: 'any' })),
      );
      assert.equal(ours?.exitCode, theirs?.exitCode, args.join(' '));
      assert.equal(ours?.stdout, theirs?.stdout);
      assert.equal(ours?.stderr, theirs?.stderr);
    }
  });

  test('what a registry has under a name, as dockerd answers it', async () => {
    for (const name of [`${host}/team/app:1`, `${host}/team/multi:1`, `${host}/team/multi@${index.digest}`]) {
      const path = `/distribution/${name}/json`;
      const [ours, theirs] = [JSON.parse(await raw(agent, path)), JSON.parse(await raw(daemon, path))];
      assert.deepEqual(ours.Descriptor, theirs.Descriptor, name);
      // dockerd knows the platform of a docker manifest, and not of one of the specification's.
      const own = [{ architecture: hostArchitecture(), os: 'linux' }];
      assert.deepEqual(ours.Platforms, theirs.Platforms ?? own, name);
    }
    for (const name of [`${host}/team/none:1`, 'Not/A:Name', '127.0.0.1:1/x:1']) {
      assert.match(await raw(agent, `/distribution/${name}/json`), /"message":".+"/);
    }
  });

  test('docker pull --all-tags', async () => {
    const [ours, theirs] = await Promise.all(
      [agent, daemon].map((engine) => engine.docker(['pull', '--all-tags', `${host}/team/app`])),
    );
    const lines = (text = '') => text.split('\n').filter((line) => !/^[0-9a-f]{12}: /.test(line));
    assert.deepEqual(lines(ours?.stdout), lines(theirs?.stdout));
    const tags = (await agent.docker(['images', '--format', '{{.Tag}}', `${host}/team/app`])).stdout;
    assert.deepEqual(tags.trim().split('\n').toSorted(), ['1', '2', 'latest']);
    const missing = await agent.docker(['pull', '--all-tags', `${host}/team/none`], { expectExit: 1 });
    assert.match(missing.stderr, /repository .*team\/none not found|name unknown/);
  });

  test('docker push, as dockerd words it', async () => {
    const outputs = await Promise.all(
      [agent, daemon].map(async ({ docker }, which) => {
        const name = `${host}/copies/app${which}`;
        const texts: string[] = [];
        const run = async (...args: readonly string[]) => {
          const { stdout, stderr } = await docker(args, { expectExit: 'any' });
          texts.push(
            `${stdout}${stderr}`
              .replaceAll(`app${which}`, 'app')
              .replace(/digest: sha256:[0-9a-f]{64} size: \d+/g, 'digest'),
          );
        };
        await docker(['pull', '--quiet', `${host}/team/app:1`]);
        await docker(['tag', `${host}/team/app:1`, `${name}:1`]);
        await docker(['tag', `${host}/team/app:1`, `${name}:2`]);
        await run('push', `${name}:1`);
        await run('push', `${name}:1`);
        await run('push', '--all-tags', name);
        await run('push', '--quiet', `${name}:1`);
        await run('push', `${name}:none`);
        await run('push', `${host}/copies/none`);
        await run('push', '127.0.0.1:1/a/b');
        return texts.map((text) => [...new Set(text.split('\n'))].join('\n'));
      }),
    );
    assert.deepEqual(outputs[0], outputs[1]);
  });

  test('a mirror is asked first, and the registry itself when the mirror does not do', async (t) => {
    const mirror = await startRegistry(t);
    await pushLayout(image, `${mirror.host}/team/mirrored:1`);
    await pushLayout(image, `${host}/team/original:1`);
    const dead = `${host}=http://127.0.0.1:${await freePort()}`;
    const { docker } = await startAgent(t, {
      args: ['--registry-mirror', dead, '--registry-mirror', `${host}=${mirror.url}`],
    });
    await docker(['pull', `${host}/team/mirrored:1`]);
    await docker(['pull', `${host}/team/original:1`]);
    const missing = await docker(['pull', `${host}/team/none:1`], { expectExit: 1 });
    assert.match(missing.stderr, new RegExp(`manifest for ${host}/team/none:1 not found`));
    assert.equal((await sendRequest(`${registry.url}/v2/team/mirrored/manifests/1`)).status, 404);
  });
});
