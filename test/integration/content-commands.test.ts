import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { keepRegistry } from '../../server/cli/remote/chosen-registry.ts';
import { runBerthIn } from '../support/berth-command.ts';
import { digestOf } from '../support/content.ts';
import { OCI_MANIFEST } from '../support/registry-client.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const OCI_EMPTY = 'application/vnd.oci.empty.v1+json';

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
      ['manifest', 'ls', 'team/app', '--format', 'json'],
      ['manifest', 'inspect', `mine/app@${mine.digest}`],
      ['manifest', 'rm', '--dry-run', `mine/app@${mine.digest}`],
      ['repo', 'rm', '--dry-run', 'mine/app'],
    ]) {
      const there = await expect(remote, ...words);
      assert.notEqual(there, '', words.join(' '));
      assert.equal(await expect({}, ...words, ...here), there, words.join(' '));
    }
    const lines = (await expect(remote, 'tag', 'ls', `${host}/team/app`, '--format', 'jsonl'))
      .trim()
      .split('\n');
    assert.deepEqual(JSON.parse(lines[0] ?? '').digest, one.digest);
    const whole = JSON.parse(await expect(remote, 'tag', 'ls', 'team/app', '--format', 'json'));
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      whole,
    );
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
      const [{ deleted, image, tags }] = JSON.parse(stdout);
      assert.deepEqual([image, deleted, tags], ['team/app:2', true, ['2']]);
      assert.doesNotMatch(await expect(env, 'tag', 'ls', 'team/app', ...options), /^2 /m);
      const restored = await expect(env, 'tag', 'restore', 'team/app:2', ...options);
      assert.equal(restored, `team/app:2 points at ${two.digest} again\n`);
    }
    const refused = await berth(as('reader'), 'tag', 'rm', 'team/app:2');
    assert.deepEqual([refused.exitCode, refused.stdout], [1, '']);
    assert.match(refused.stderr, /reader is not allowed to delete from team\/app/);
  });

  test('a copy moves no content, and takes along what is about the image', async () => {
    const artifact = 'application/vnd.test.sbom';
    const about = async (repository: string, text: string, tag?: string) => {
      const config = { ...(await admin.pushBlob(repository, '{}')), mediaType: OCI_EMPTY };
      const layer = { ...(await admin.pushBlob(repository, text)), mediaType: artifact };
      const subject = { digest: one.digest, size: one.bytes.length, mediaType: OCI_MANIFEST };
      const manifest = {
        ...{ schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType: artifact, config, layers: [layer] },
        ...(tag === undefined && { subject }),
      };
      const body = JSON.stringify(manifest);
      return admin.pushManifest(repository, tag ?? digestOf(body), manifest);
    };
    const sbom = await about('team/app', 'an SBOM');
    const signature = `${one.digest.replace(':', '-')}.sig`;
    await about('team/app', 'a signature', signature);
    for (const [target, env, ...options] of [
      ['copies/remote', remote],
      ['copies/local', {}, ...here],
    ] as const) {
      const plain = await expect(env, 'tag', 'cp', 'team/app:1', `${target}:kept`, ...options);
      assert.match(plain, new RegExp(`^${target}:kept is ${one.digest}\n {2}new there: 1 manifest, `));
      const again = await expect(
        env,
        ...[
          'tag',
          'cp',
          `team/app@${one.digest}`,
          `${target}:1`,
          '--referrers',
          '--format',
          'json',
          ...options,
        ],
      );
      assert.partialDeepStrictEqual(JSON.parse(again), {
        manifests: 0,
        mounted: 3,
        referrers: 2,
        keptTags: [],
      });
      const tags = (await expect(env, 'tag', 'ls', target, '--format', 'jsonl', ...options))
        .trim()
        .split('\n');
      assert.deepEqual(
        tags.map((line) => JSON.parse(line).name),
        ['1', 'kept', signature],
      );
      assert.ok((await expect(env, 'manifest', 'ls', target, '--format', 'json', ...options)).includes(sbom));
    }
    const events = await expect({}, 'audit', '--repository', 'copies/*', '--format', 'jsonl', ...here);
    const actions = new Map<string, Set<string>>();
    for (const line of events.trim().split('\n')) {
      const { action, repository, who = '' } = JSON.parse(line);
      actions.set(repository, (actions.get(repository) ?? new Set()).add(`${action} ${who}`.trim()));
    }
    assert.deepEqual(actions.get('copies/remote'), new Set(['mount admin', 'push admin']));
    assert.deepEqual(actions.get('copies/local'), new Set(['mount', 'push']));
  });

  test('a copy is refused as a push is', async () => {
    await expect({}, 'tag-rule', 'add', 'copies/*', '--tags', 'fixed*', '--immutable', ...here);
    await expect(remote, 'tag', 'cp', 'team/app:1', 'copies/remote:fixed1');
    for (const [env, words, reason] of [
      [as('reader'), ['team/app:1', 'team/app:other'], /reader is not allowed to push to team\/app/],
      [as('reader'), ['mine/app:1', 'team/app:other'], /there is no repository mine\/app/],
      [as('reader'), ['team/app:1', 'mine/app:other'], /not allowed to push to mine\/app/],
      [remote, ['team/app:2', 'copies/remote:fixed1'], /the tag fixed1 is immutable/],
      [remote, ['team/app:none', 'copies/remote'], /has no manifest none/],
    ] as const) {
      const { exitCode, stderr, stdout } = await berth(env, 'tag', 'cp', ...words);
      assert.deepEqual([exitCode, stdout], [1, ''], words.join(' '));
      assert.match(stderr, reason);
    }
  });

  test('a repository goes with everything in it, or not at all', async () => {
    const kept = await berth(remote, 'repo', 'rm', 'copies/remote', '--dry-run');
    assert.equal(kept.exitCode, 0, kept.stderr);
    assert.match(
      kept.stdout,
      /^copies\/remote: would be deleted, 4 tags and 3 manifests\n {2}0 B will be freed by garbage collection/,
    );
    const unsure = await berth(remote, 'repo', 'rm', 'copies/remote');
    assert.deepEqual([unsure.exitCode, unsure.stdout], [2, '']);
    assert.match(unsure.stderr, /this deletes copies\/remote with 4 tags and 3 manifests: add --yes/);
    await registry.addUser('keeper', { 'copies/**': 'maintainer' });
    const refused = await berth(as('keeper'), 'repo', 'rm', 'copies/remote', '--yes');
    assert.deepEqual([refused.exitCode, refused.stdout], [1, '']);
    assert.match(refused.stderr, /the tag fixed1 is immutable/);
    assert.match(await expect(remote, 'tag', 'ls', 'copies/remote'), /^1 /m);
    for (const [name, env, ...options] of [
      ['copies/remote', remote],
      ['copies/local', {}, ...here],
    ] as const) {
      assert.match(
        await expect(env, 'repo', 'rm', name, '--yes', ...options),
        new RegExp(`^${name}: deleted, `),
      );
      assert.doesNotMatch(await expect(env, 'repo', 'ls', ...options), new RegExp(name));
      const gone = await berth(env, 'repo', 'rm', name, '--yes', ...options);
      assert.deepEqual([gone.exitCode, gone.stdout], [1, '']);
      assert.match(gone.stderr, new RegExp(`there is no repository ${name}`));
    }
    const events = await expect(
      {},
      'audit',
      '--repository',
      'copies/remote',
      '--action',
      'delete',
      '--format',
      'jsonl',
      ...here,
    );
    assert.equal(events.trim().split('\n').length, 7);
    assert.match(await expect(remote, 'tag', 'ls', 'team/app'), /^1 /m, 'what was copied from stays');
  });

  test('contexts are kept for their owner alone', async (t) => {
    const own = await makeTempDir(t, 'contexts');
    const file = join(own, 'berth.json');
    // As version 1 wrote it.
    await writeFile(file, JSON.stringify({ server: registry.url }));
    const env = { DOCKER_CONFIG: own, BERTH_TOKEN: `admin:${ADMIN_PASSWORD}` };
    assert.match(await expect(env, 'repo', 'ls'), /team\/app/);
    assert.deepEqual(JSON.parse(await expect(env, 'context', 'ls', '--format', 'json')), [
      { name: host, server: registry.url, current: true },
    ]);
    await keepRegistry({ url: new URL('https://other.example:8443/'), insecure: false }, env);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await expect(env, 'context', 'use', host);
    assert.match(await expect(env, 'repo', 'ls'), /team\/app/);
    const unknown = await berth(env, 'context', 'use', 'other.example:8444');
    assert.equal(unknown.exitCode, 2);
    assert.match(unknown.stderr, /did you mean "other\.example:8443"\?/);
    await expect(env, 'context', 'rm', host);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.doesNotMatch(await readFile(file, 'utf8'), /current|secret|admin/);
    const none = await berth(env, 'host', 'ls', '--data', join(own, 'nothing'));
    assert.match(none.stderr, /has no catalog\.sqlite/);
  });

  test('people see what they may see', async () => {
    assert.doesNotMatch(await expect(as('reader'), 'repo', 'ls'), /mine/);
    const hidden = await berth(as('reader'), 'tag', 'ls', 'mine/app');
    assert.deepEqual([hidden.exitCode, hidden.stdout], [1, '']);
    assert.match(hidden.stderr, /there is no repository mine\/app/);
  });

  test('what was written wrongly is said, with exit code 2', async () => {
    for (const [words, reason] of [
      [['tag', 'rm', 'team/app'], /"team\/app" has no tag/],
      [['tag', 'rm', 'team/app:'], /has no tag/],
      [['tag', 'inspect', 'team/app@sha256:12'], /has no digest after its @/],
      [['tag', 'diff', 'team/app:1', 'mine/app:1'], /of different repositories/],
      [['tag', 'remove', 'team/app:1'], /has no "remove"/],
      [['repo'], /an action is missing/],
      [['repo', 'ls', '--sort', 'colour'], /no --sort/],
      [['tag', 'ls'], /write: berth tag ls REPOSITORY/],
      [['tag', 'cp', 'team/app:1', `team/app@${one.digest}`], /is no target/],
      [['manifest', 'rm', 'team/app:1'], /is a tag: delete it with "berth tag rm"/],
    ] as const) {
      const { exitCode, stderr, stdout } = await berth(remote, ...words);
      assert.deepEqual([exitCode, stdout], [2, ''], words.join(' '));
      assert.match(stderr, reason);
    }
  });
});
