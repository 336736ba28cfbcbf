import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { hostArchitecture } from '../support/test-image.ts';
import { makeBigImage, makeBusyboxImage, makeMultiArchImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('images', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const scope = { after };
  const registry = await startRegistry(scope);
  const secret = await startRegistry(scope, { adminPassword: 'let me in' });
  const folder = await imageFolder(scope);
  const base = registry.host;
  const busybox = await makeBusyboxImage(folder);
  await pushLayout(busybox, `${base}/team/busybox:1`);
  await pushLayout(await makeMultiArchImage(folder), `${base}/team/multi:1`);
  await pushLayout(await makeBigImage(folder, 40 << 20), `${base}/team/big:1`);
  await pushLayout(busybox, `${secret.host}/secret/busybox:1`, { name: 'admin', password: 'let me in' });
  const { docker, startDocker, dataDir } = await startAgent(scope);
  const out = async (...args: string[]) => (await docker(args)).stdout;
  const image = `${base}/team/busybox:1`;

  test('a pull tells its progress, and the second finds everything here', async () => {
    const first = await out('pull', image);
    assert.match(first, /^1: Pulling from team\/busybox\n/);
    assert.match(first, /\n[0-9a-f]{12}: Pulling fs layer\n/);
    assert.match(first, /\n[0-9a-f]{12}: Pull complete\n/);
    assert.match(first, new RegExp(`\nDigest: ${busybox.digest}\n`));
    assert.match(first, new RegExp(`\nStatus: Downloaded newer image for ${image}\n${image}\n$`));
    assert.match(await out('pull', image), new RegExp(`\nStatus: Image is up to date for ${image}\n`));
  });

  test('layers that another image has are not fetched again', async () => {
    await docker(['pull', image]);
    assert.match(await out('pull', `${base}/team/big:1`), /: Already exists\n/);
    await docker(['rmi', `${base}/team/big:1`]);
  });

  test('by digest', async () => {
    const reference = `${base}/team/busybox@${busybox.digest}`;
    assert.match(await out('pull', reference), new RegExp(`Digest: ${busybox.digest}`));
    assert.equal(await out('run', '--rm', reference, 'echo', 'it runs'), 'it runs\n');
  });

  test('images, inspect, history', async () => {
    await docker(['pull', image]);
    const row = await out('images', '--format', '{{.Repository}}|{{.Tag}}|{{.ID}}', image);
    const id = (await out('inspect', '-f', '{{.Id}}', image)).trim();
    assert.equal(row, `${base}/team/busybox|1|${id.slice(7, 19)}\n`);
    const [inspected] = JSON.parse(await out('image', 'inspect', image));
    assert.ok(inspected.RepoTags.includes(image));
    assert.deepEqual(inspected.RepoDigests, [`${base}/team/busybox@${busybox.digest}`]);
    assert.equal(inspected.Os, 'linux');
    assert.equal(inspected.Architecture, hostArchitecture());
    assert.deepEqual(inspected.Config.Cmd, ['/bin/sh']);
    assert.equal(inspected.RootFS.Layers.length, 1);
    assert.match(
      await out('history', '--format', '{{.ID}}|{{.CreatedBy}}', image),
      /^[0-9a-f]{12}\|layer 0\n$/,
    );
  });

  test('of several architectures take this one, or the one that was asked for', async () => {
    const reference = `${base}/team/multi:1`;
    await docker(['pull', reference]);
    assert.equal(await out('run', '--rm', reference, 'cat', '/etc/architecture'), `${hostArchitecture()}\n`);
    const other = hostArchitecture() === 'amd64' ? 'arm64' : 'amd64';
    await docker(['pull', '--platform', `linux/${other}`, reference]);
    assert.equal(await out('inspect', '-f', '{{.Architecture}}', reference), `${other}\n`);
    const { stderr } = await docker(['pull', '--platform', 'linux/s390x', reference], { expectExit: 1 });
    assert.match(stderr, /no matching manifest for linux\/s390x/);
  });

  test('tag, rmi by tag, rmi of the last tag', async () => {
    await docker(['pull', image]);
    await docker(['tag', image, 'app']);
    await docker(['tag', 'app', 'app:2']);
    assert.equal(await out('rmi', 'app:2'), 'Untagged: app:2\n');
    assert.equal(await out('run', '--rm', 'app', 'echo', 'tagged'), 'tagged\n');
    assert.equal(await out('rmi', 'app:latest'), 'Untagged: app:latest\n');
  });

  test('rmi refuses while a container uses the image', async () => {
    await docker(['pull', image]);
    const id = (await out('inspect', '-f', '{{.Id}}', image)).trim().slice(7, 19);
    const container = (await out('create', '--name', 'user', image)).trim().slice(0, 12);
    const used = await docker(['rmi', image], { expectExit: 1 });
    assert.equal(
      used.stderr,
      `Error response from daemon: conflict: unable to remove repository reference "${image}" (must force) - container ${container} is using its referenced image ${id}\n`,
    );
    await docker(['start', 'user']);
    await docker(['rm', '-f', 'user']);
    const removed = await out('rmi', image);
    assert.match(
      removed,
      new RegExp(`^Untagged: ${image}\nUntagged: ${base}/team/busybox@sha256:[0-9a-f]{64}\nDeleted: sha256:`),
    );
    const gone = await docker(['rmi', image], { expectExit: 1 });
    assert.equal(gone.stderr, `Error response from daemon: No such image: ${image}\n`);
  });

  test('what is not there, and who does not answer', async () => {
    const missing = await docker(['pull', `${base}/team/nosuch:1`], { expectExit: 1 });
    assert.match(
      missing.stderr,
      new RegExp(
        `^Error response from daemon: manifest for ${base}/team/nosuch:1 not found: manifest unknown`,
      ),
    );
    const silent = await docker(['pull', '127.0.0.1:1/a:1'], { expectExit: 1 });
    assert.match(silent.stderr, /dial tcp 127\.0\.0\.1:1: connect: connection refused/);
    const invalid = await docker(['inspect', '--type', 'image', 'nosuch'], { expectExit: 1 });
    assert.match(invalid.stderr, /No such image: nosuch/);
  });

  test('login, a pull with credentials, and one without', async () => {
    const reference = `${secret.host}/secret/busybox:1`;
    const refused = await docker(['pull', reference], { expectExit: 1 });
    assert.match(refused.stderr, /no basic auth credentials|unauthorized|authentication required/);
    const login = (password: string, expectExit: number) =>
      docker(['login', '-u', 'admin', '--password-stdin', secret.host], { input: password, expectExit });
    const wrong = await login('no', 1);
    assert.match(wrong.stderr, /unauthorized|401/i);
    assert.match((await login('let me in', 0)).stdout, /Login Succeeded/);
    assert.match(await out('pull', reference), /Status: Downloaded newer image/);
  });

  test('an interrupted pull leaves no image, and the next one goes through', async (t) => {
    const proxy = await startFaultProxy(t, registry.url);
    const reference = `${new URL(proxy.url).host}/team/big:1`;
    // It is in the middle for as long as it takes to interrupt it.
    proxy.setFaults(({ url }) => (url?.includes('/blobs/') ? { stallAfter: 1_000_000 } : undefined));
    const incoming = async () =>
      (await readdir(join(dataDir, 'layers'))).some((name) => name.includes('incoming'));
    const client = startDocker(['pull', reference]);
    await client.waitForLine(/Pulling fs layer/);
    await waitUntil('a layer is coming', incoming);
    await client.end('SIGKILL');
    await waitUntil('nothing is coming any more', async () => !(await incoming()));
    assert.equal(await out('images', '-q', reference), '');
    proxy.setFaults(() => undefined);
    await docker(['pull', '--quiet', reference]);
    assert.equal(await out('run', '--rm', reference, 'sh', '-c', 'wc -c < /big'), `${40 << 20}\n`);
    await docker(['rmi', reference]);
  });

  test('events tell of pulls, tags and removals', async () => {
    const since = String(Math.floor(Date.now() / 1000));
    await docker(['pull', '--quiet', image]);
    await docker(['tag', image, 'told:1']);
    await docker(['rmi', 'told:1']);
    await waitUntil('the second is over', () => Date.now() / 1000 > Number(since) + 1);
    const events = await out(
      'events',
      '--since',
      since,
      '--until',
      String(Math.ceil(Date.now() / 1000)),
      '-f',
      'type=image',
      '--format',
      '{{.Action}}',
    );
    assert.deepEqual(events.split('\n').filter(Boolean).slice(-3), ['pull', 'tag', 'untag']);
  });
});
