import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { defer } from '../support/cleanup.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { createRegistryClient, digestOf } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

const options = { skip: unlessRoot(), timeout: 300_000 };
const MiB = 1024 * 1024;
const PASSWORD = 'a password of tests';

const MOUNTS = {
  tmpfs: async (device: string) => {
    await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'berth-test', device]);
  },
  ext4: async (device: string) => {
    const image = `${device}.img`;
    await runCommand('truncate', ['-s', '96M', image]);
    await runCommand('mkfs.ext4', ['-q', image]);
    await runCommand('mount', ['-o', 'loop', image, device]);
  },
};

async function mountSmall(t: TestContext, kind: keyof typeof MOUNTS): Promise<string> {
  const device = join(await makeTempDir(t, 'full'), 'device');
  await mkdir(device);
  await MOUNTS[kind](device);
  defer(t, async () => {
    await runCommand('umount', ['--lazy', device]);
  });
  return device;
}

for (const kind of ['tmpfs', 'ext4'] as const) {
  test(`on a full ${kind} a registry starts, serves, deletes and collects`, options, async (t) => {
    const device = await mountSmall(t, kind);
    const dataDir = join(device, 'data');
    const server = await startRegistry(t, { dataDir, adminPassword: PASSWORD });
    const registry = createRegistryClient(server.url, { name: 'admin', password: PASSWORD });
    const kept = await registry.pushImage('team/app', '1');
    await registry.pushImage('team/app', '2');
    const large = randomBytes(6 * MiB);
    await registry.pushBlob('team/app', large);
    const location = await registry.begin('team/app');
    const first = await registry.send('PATCH', location, { body: large.subarray(0, MiB) });
    assert.equal(first.status, 202);

    const filler = join(device, 'filler');
    const fill = async () => {
      for (let size = 32 * MiB; size > 1024; size /= 2) {
        await runCommand('sh', ['-c', `head -c ${size} /dev/zero >> "$0" 2>/dev/null || true`, filler]);
      }
    };
    await fill();
    const refused = await registry.send('PATCH', location, { body: large.subarray(MiB, MiB + 200_000) });
    expectError(refused, 503, 'UNAVAILABLE');
    const [upload = ''] = await readdir(join(dataDir, 'uploads'));
    assert.equal((await stat(join(dataDir, 'uploads', upload))).size, MiB, 'what was written is taken back');

    for (const round of ['killed', 'stopped']) {
      if (round === 'killed') await server.kill();
      await server.restart();
      await fill();
      const got = await registry.send('GET', '/v2/team/app/manifests/1');
      assert.deepEqual(got.body, kept.bytes, round);
      const login = await fetch(`${server.url}/token?service=berth&scope=repository:team/app:pull`, {
        headers: { Authorization: basicAuthorization('admin', PASSWORD) },
      });
      assert.equal(login.status, 200, round);
    }
    expectError(
      await registry.send('POST', `/v2/team/app/blobs/uploads/?digest=${digestOf(large)}`, {
        body: large.subarray(0, 200_000),
      }),
      503,
      'UNAVAILABLE',
    );
    const deleted = await registry.send('DELETE', '/v2/team/app/manifests/2');
    assert.equal(deleted.status, 202, server.process().output());
    assert.equal((await registry.send('DELETE', location)).status, 204);

    const dry = await runBerth('gc', '--data', dataDir, '--grace', '0s', '--uploads', '0s');
    assert.equal(dry.exitCode, 0, dry.stderr);
    assert.match(dry.stdout, /^deleted .* \d+ blobs?, /);
    await rm(filler);
    await waitUntil('pushes are taken again', async () => {
      const answer = await registry.send('POST', `/v2/team/app/blobs/uploads/?digest=${digestOf(large)}`, {
        body: large,
      });
      return answer.status === 201;
    });
    await registry.pushImage('team/app', '3');
  });
}

test('gc reports the space of killed uploads, and deletes them with --uploads', options, async (t) => {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const location = await registry.begin('team/app');
  await registry.send('PATCH', location, { body: randomBytes(3 * MiB) });
  const gc = (...args: readonly string[]) => runBerth('gc', '--data', server.dataDir, ...args);
  const young = await gc();
  assert.match(young.stdout, /\nkept 1 unfinished upload of 3\.\d MB: a client may resume .* --uploads 0s/);
  const dry = await gc('--uploads', '0s', '--dry-run');
  assert.match(dry.stdout, /^would delete .* 1 abandoned upload: 0 B\n$/);
  assert.match((await gc('--uploads', '0s')).stdout, /^deleted .* 1 abandoned upload: 0 B\n$/);
  assert.deepEqual(await readdir(join(server.dataDir, 'uploads')), []);
  assert.equal((await registry.send('GET', location)).status, 404);
  assert.match((await gc('--uploads', 'soon')).stderr, /"soon" is not an age of uploads/);
});

test('blobs deleted by digest are kept for the grace period', options, async (t) => {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const { digest } = await registry.pushBlob('team/app', 'a blob');
  const image = await registry.pushImage('team/app', '1');
  for (const path of [`blobs/${digest}`, `manifests/${image.digest}`]) {
    assert.equal((await registry.send('DELETE', `/v2/team/app/${path}`)).status, 202, path);
  }
  const gc = (...args: readonly string[]) => runBerth('gc', '--data', server.dataDir, ...args);
  assert.match((await gc()).stdout, /^deleted 0 manifests, 0 unused links, 0 blobs, .*: 0 B\n/);
  assert.match((await gc('--grace', '0s')).stdout, /^deleted 0 manifests, 2 unused links, 4 blobs, /);
});
