import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { runBerthIn } from '../support/berth-command.ts';
import { OCI_MANIFEST } from '../support/registry-client.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { makeTempDir } from '../support/temp-dir.ts';

describe('commands about the content', async () => {
  const registry = await startRegistryWithAccounts({ after });
  const { admin } = registry;
  await registry.addUser('reader', { 'team/**': 'reader' });
  const folder = await makeTempDir({ after }, 'docker');
  const { host } = new URL(registry.url);
  const as = (name: string) => ({ BERTH_SERVER: registry.url, BERTH_TOKEN: `${name}:${ADMIN_PASSWORD}` });
  const berth = (env: Readonly<Record<string, string>>, ...args: readonly string[]) =>
    runBerthIn({ DOCKER_CONFIG: folder, ...env }, ...args);
  const here = ['--data', registry.data];
  const remote = as('admin');
  const expect = async (env: Readonly<Record<string, string>>, ...args: readonly string[]) => {
    const { exitCode, stderr, stdout } = await berth(env, ...args);
    assert.equal(exitCode, 0, `berth ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const one = await admin.pushImage('team/app', '1');
  const two = await admin.pushImage('team/app', '2');
  const mine = await admin.pushImage('mine/app', '1');

  test('are the same through the API and on the data of this machine', async () => {
    for (const words of [
      ['repo', 'ls', '--sort', 'size', '--format', 'json'],
      ['repo', 'ls', '--search', 'TEAM', '--format', 'json'],
      ['repo', 'du'],
      ['tag', 'ls', 'team/app', '--format', 'json'],
      ['tag', 'diff', 'team/app:1', `team/app@${two.digest}`],
      ['tag', 'inspect', 'team/app:1', `mine/app@${mine.digest}`],
    ]) {
      const there = await expect(remote, ...words);
      assert.notEqual(there, '', words.join(' '));
      assert.equal(await expect({}, ...words, ...here), there, words.join(' '));
    }
    const [listed] = (await expect(remote, 'tag', 'ls', `${host}/team/app`, '--format', 'json')).split('\n');
    assert.deepEqual(JSON.parse(listed ?? '').digest, one.digest);
  });

  test('a difference tells which packages of the SBOMs differ', async () => {
    const attach = async (about: string, packages: readonly object[]) => {
      const document = JSON.stringify({ spdxVersion: 'SPDX-2.3', packages });
      const sbom = { ...(await admin.pushBlob('team/sbom', document)), mediaType: 'application/spdx+json' };
      await admin.pushManifest('team/sbom', `sbom-${about.slice(7, 19)}`, {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        artifactType: 'application/spdx+json',
        config: sbom,
        layers: [sbom],
        subject: { mediaType: OCI_MANIFEST, digest: about, size: 1 },
      });
    };
    const [before, after] = [
      (await admin.pushImage('team/sbom', '1')).digest,
      (await admin.pushImage('team/sbom', '2')).digest,
    ];
    const lines = async () => {
      const there = await expect(remote, 'tag', 'diff', 'team/sbom:1', '2');
      assert.equal(await expect({}, 'tag', 'diff', 'team/sbom:1', '2', ...here), there);
      return there.split('\n').filter((line) => line.includes('package'));
    };
    assert.deepEqual(await lines(), ['packages are not compared: neither image has an SBOM']);
    await attach(before, [
      { name: 'zlib', versionInfo: '1.3' },
      { name: 'old', versionInfo: '1' },
      { name: 'same', versionInfo: '1' },
    ]);
    assert.deepEqual(await lines(), ['packages are not compared: the second image has no SBOM']);
    await attach(after, [
      { name: 'zlib', versionInfo: '1.3.1' },
      { name: 'new' },
      { name: 'same', versionInfo: '1' },
    ]);
    assert.deepEqual(await lines(), [
      ...['+ package new', '- package old 1', '- package zlib 1.3', '+ package zlib 1.3.1'],
    ]);
  });

  test('lists have all pages', async () => {
    const names = Array.from({ length: 101 }, (_, index) => `v${index}`);
    const { manifest } = await admin.pushImage('team/many', 'v0');
    for (const name of names) await admin.pushManifest('team/many', name, manifest);
    for (const [env, ...options] of [[remote], [{}, ...here]] as const) {
      const lines = await expect(env, 'tag', 'ls', 'team/many', ...options);
      assert.equal(lines.trim().split('\n').length, names.length);
    }
  });

  test('a delete tells what goes, is refused where the API refuses it, and can be taken back', async () => {
    for (const [env, ...options] of [[remote], [{}, ...here]] as const) {
      const dry = await expect(env, 'tag', 'rm', '--dry-run', 'team/app:2', ...options);
      assert.match(dry, /^team\/app:2: would be deleted\n {2}tags that go: 2\n/);
      assert.match(await expect(env, 'tag', 'ls', 'team/app', ...options), /^2 /m);
      const { exitCode, stderr, stdout } = await berth(
        env,
        ...['tag', 'rm', 'team/app:none', 'team/app:2', '--format', 'json', ...options],
      );
      assert.equal(exitCode, 1, 'one of two is not there');
      assert.match(stderr, /team\/app has no manifest none/);
      const { deleted, image, tags } = JSON.parse(stdout);
      assert.deepEqual([image, deleted, tags], ['team/app:2', true, ['2']]);
      assert.doesNotMatch(await expect(env, 'tag', 'ls', 'team/app', ...options), /^2 /m);
      const restored = await expect(env, 'tag', 'restore', 'team/app:2', ...options);
      assert.equal(restored, `team/app:2 points at ${two.digest} again\n`);
    }
    const refused = await berth(as('reader'), 'tag', 'rm', 'team/app:2');
    assert.deepEqual([refused.exitCode, refused.stdout], [1, '']);
    assert.match(refused.stderr, /reader is not allowed to delete from team\/app/);
  });

  test('people see what they may see', async () => {
    assert.doesNotMatch(await expect(as('reader'), 'repo', 'ls'), /mine/);
    const hidden = await berth(as('reader'), 'tag', 'ls', 'mine/app');
    assert.deepEqual([hidden.exitCode, hidden.stdout], [1, '']);
    assert.match(hidden.stderr, /there is no repository mine\/app/);
  });

  test('what was written wrongly is said, with exit code 2', async () => {
    for (const [words, reason] of [
      [['tag', 'rm', 'team/app'], /"team\/app" names no tag/],
      [['tag', 'rm', 'team/app:'], /names no tag/],
      [['tag', 'inspect', 'team/app@sha256:12'], /has no digest after its @/],
      [['tag', 'diff', 'team/app:1', 'mine/app:1'], /of two repositories/],
      [['tag', 'remove', 'team/app:1'], /has no "remove"/],
      [['repo'], /what to do was not said/],
      [['repo', 'ls', '--sort', 'colour'], /no --sort/],
      [['tag', 'ls'], /write: berth tag ls REPOSITORY/],
    ] as const) {
      const { exitCode, stderr, stdout } = await berth(remote, ...words);
      assert.deepEqual([exitCode, stdout], [2, ''], words.join(' '));
      assert.match(stderr, reason);
    }
  });
});
