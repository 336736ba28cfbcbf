import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runBerthIn } from '../support/berth-command.ts';
import { APP, openWorld } from '../support/fleet-world.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';

const world = await openWorld({ after }, ['web1', 'web2', 'web3']);
const { image } = world;
const folder = await makeTempDir({ after }, 'app-commands');
const file = join(folder, 'compose.yaml');
const one = await world.push('one');

const berth = async (...args: readonly string[]) => {
  const { exitCode, stdout, stderr } = await world.berth(...args);
  assert.equal(exitCode, 0, `berth ${args.join(' ')}: ${stderr}`);
  return { stdout, stderr };
};
const lines = async (...args: readonly string[]): Promise<readonly Record<string, unknown>[]> => {
  const { stdout } = await berth(...args, '--format', 'jsonl');
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
};
const refused = async (...args: readonly string[]) => {
  const { exitCode, stdout, stderr } = await world.berth(...args);
  assert.equal(stdout, '');
  return [exitCode, stderr.trimEnd()];
};
const setSecret = async (input: string, ...args: readonly string[]) => {
  const command = [REGISTRY_PROGRAM, 'secret', 'set', APP, 'KEY', ...args];
  return (await runCommand(process.execPath, command, { env: world.env, input })).stderr;
};
const newest = async () => (await lines('history', APP, '--limit', '1'))[0] ?? {};
const follows = async () => (await lines('apps')).find(({ name }) => name === APP)?.follow;

/** Steps of one story, in their order. */
describe('commands about an app', () => {
  test('deploy --dry-run says what would change, and changes nothing', async () => {
    await writeFile(
      file,
      `services: {web: {image: "${image}", secrets: [KEY], deploy: {replicas: 2, update_config: {monitor: 0s}}}}
secrets: {KEY: {external: true}}`,
    );
    assert.equal(await setSecret('one'), `${APP}: KEY has version 1\n`);
    const dry = () => berth('deploy', '--dry-run', APP, file);
    const rows = (change: string) =>
      `HOST  SERVICE  INSTANCES  CHANGE\nweb1  web      1          ${change}\nweb2  web      1          ${change}\n`;
    const name = image.slice(image.indexOf('/') + 1);
    assert.equal((await dry()).stdout, `${rows('start')}\nSERVICE  IMAGE\nweb      ${name}@${one}\n`);
    assert.deepEqual(await lines('apps'), []);
    assert.deepEqual(
      world.hosts.map(({ told }) => told),
      [[], [], []],
    );
    const { stderr } = await berth('deploy', APP, file);
    assert.match(stderr, /^team\/shop: release 1 is healthy$/m);
    assert.match((await dry()).stdout, /^web1 {2}web {6}1 {10}keep$/m);
    await writeFile(file, 'services: {web: {image: nothing}}');
    assert.equal((await refused('deploy', APP, file, '--dry-run'))[0], 2);
    assert.equal((await newest()).release, 1);
  });

  test('lists have their fields as JSON, here and through the API', async () => {
    const { createdAt, endedAt, ...release } = await newest();
    assert.ok(Date.parse(String(endedAt)) >= Date.parse(String(createdAt)));
    const [repository = '', tag = ''] = image.slice(image.indexOf('/') + 1).split(':');
    assert.deepEqual(release, {
      app: APP,
      release: 1,
      state: 'done',
      cause: { kind: 'deploy', by: 'admin' },
      images: { web: { repository, tag, digest: one } },
      reason: null,
    });
    const instances = await lines('ps', APP);
    assert.deepEqual(
      instances,
      ['web1', 'web2'].map((host, index) => ({
        ...{ host, service: 'web', instance: index + 1, image: one, release: 1 },
        ...{
          state: 'running',
          health: 'healthy',
          exitCode: null,
          restarts: 0,
          container: `web-${index + 1}`,
        },
      })),
    );
    const [app] = await lines('apps');
    assert.deepEqual(app, {
      ...{
        name: APP,
        on: [],
        latest: 1,
        current: 1,
        state: 'done',
        follow: 'off',
        createdAt: app?.createdAt,
      },
    });
    const [secret] = await lines('secret', 'ls', APP);
    assert.deepEqual(secret, { name: 'KEY', version: 1, createdAt: secret?.createdAt, createdBy: 'admin' });
    for (const what of [image, one, `${repository}:${tag}`]) {
      assert.deepEqual(await lines('running', what), [
        {
          ...{ app: APP, release: 1, service: 'web', repository, digest: one },
          ...{ hosts: ['web1', 'web2'], kept: false },
        },
      ]);
    }
    const [token] = await lines('host', 'token', '--label', 'role=web');
    assert.deepEqual(Object.keys(token ?? {}).sort(), ['expiresAt', 'id', 'labels', 'token']);
    assert.equal((await lines('hosts')).length, 3);
    for (const args of [['apps'], ['ps', APP], ['history', APP], ['hosts']]) {
      const local = await runBerthIn({}, ...args, '--format', 'json', '--data', world.registry.data);
      assert.equal(local.stdout, (await berth(...args, '--format', 'json')).stdout, local.stderr);
      assert.match(
        (await world.berth(...args, '--format', 'xml')).stderr,
        /"xml" is not a valid --format: write json, jsonl or table/,
      );
    }
  });

  test('scale, restart and rollback make releases', async () => {
    await berth('scale', APP, 'web=3');
    assert.deepEqual((await newest()).cause, { kind: 'scale', by: 'admin', service: 'web', replicas: 3 });
    assert.equal((await lines('ps', APP)).length, 3);
    await berth('restart', APP);
    assert.deepEqual((await newest()).cause, { kind: 'restart', by: 'admin' });
    await berth('restart', APP, 'web');
    assert.deepEqual((await newest()).cause, { kind: 'restart', by: 'admin', service: 'web' });
    await berth('rollback', APP, '1');
    assert.deepEqual((await newest()).cause, { kind: 'rollback', by: 'admin', to: 1 });
    assert.equal((await lines('ps', APP)).length, 2);
    assert.deepEqual(await refused('scale', APP, 'nosuch=3'), [
      2,
      'berth: there is no service nosuch: the app has web',
    ]);
    assert.deepEqual(await refused('rollback', APP, '99'), [
      2,
      'berth: team/shop has no release 99: see "berth history team/shop"',
    ]);
    assert.deepEqual(await refused('restart', 'team/none'), [2, 'berth: there is no app named team/none']);
    assert.equal((await newest()).release, 5);
  });

  test('secret set makes a release whose hosts have the time of --timeout', async () => {
    assert.match(await setSecret('two', '--timeout', '77s'), /^team\/shop: release 6 is healthy$/m);
    assert.deepEqual((await newest()).cause, { kind: 'secret', by: 'admin', secret: 'KEY' });
    assert.deepEqual(
      world.hosts.slice(0, 2).map(({ apps }) => apps.get(APP)?.timeout),
      [77_000, 77_000],
    );
    assert.deepEqual(await refused('secret', 'rm', APP, 'KEY'), [
      1,
      'berth: release 6 of team/shop uses the secret KEY: deploy the app without it first',
    ]);
    assert.deepEqual(await refused('secret', 'rm', APP, 'NONE'), [1, `berth: ${APP} has no secret NONE`]);
  });

  test('follow and follow --off', async () => {
    await berth('follow', APP);
    assert.equal(await follows(), 'following');
    await world.push('two');
    await waitUntil('the push is a release', async () => (await newest()).release === 7);
    await waitUntil('it ends', async () => (await newest()).state === 'done');
    await berth('follow', APP, '--off');
    assert.equal(await follows(), 'off');
    await world.push('three');
    await berth('restart', APP);
    assert.deepEqual([(await newest()).release, (await newest()).state], [8, 'done']);
  });

  test('rm asks, and removes the app with its secrets', async () => {
    assert.deepEqual(await refused('rm', APP), [
      2,
      'berth: this removes team/shop from all of its hosts, with its releases and secrets: add --yes',
    ]);
    assert.equal((await lines('apps')).length, 1);
    await berth('rm', APP, '--yes');
    await waitUntil('the hosts have let go', () => world.hosts.every(({ apps }) => apps.size === 0));
    assert.deepEqual(await lines('apps'), []);
    assert.deepEqual(await refused('ps', APP), [1, `berth: there is no app named ${APP}`]);
    assert.equal((await world.berth('running', one)).exitCode, 1);
  });
});
