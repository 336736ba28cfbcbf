import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runBerthIn } from '../support/berth-command.ts';
import { digestOf } from '../support/content.ts';
import { eventually } from '../support/eventually.ts';
import { ObedientHost, UNWATCHED } from '../support/fleet-world.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { hostClient, joinHost, postJson } from '../support/joined-host.ts';
import { startPostgres } from '../support/postgres.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';

const PASSWORD = 'a password of tests';
const ADMIN = { Authorization: basicAuthorization('admin', PASSWORD) };
const APP = 'team/shop';

test('a rollout ends once, though its registry is killed, and though the database goes away', async (t) => {
  const postgres = await startPostgres(t);
  const database = await postgres.createDatabase();
  const folder = await makeTempDir(t, 'faults');
  const start = () =>
    startRegistry(t, {
      dataDir: join(folder, 'data'),
      adminPassword: PASSWORD,
      args: ['--database', database],
    });
  // It is the only one, and so the one that drives.
  const driver = await start();
  const token = await postJson(`${driver.url}/api/v1/host-tokens`, {}, ADMIN);
  const { token: text } = (await token.json()) as { token: string };
  const joined = await joinHost(t, driver.url, text, 'web1');
  const other = await start();
  /** The host at the other registry; while that has no database, it tries again as an agent does. */
  const connect = async () => {
    const socket = await eventually('the host is connected', () =>
      hostClient(t, other.url, joined)
        .connect()
        .catch(() => undefined),
    );
    return new ObedientHost(joined, socket);
  };
  const deploy = async (url: string, release: string) => {
    const file = join(folder, `compose-${release}.yaml`);
    const image = `other.test/web@${digestOf('web')}`;
    const web = { image, platform: 'linux/amd64', environment: { RELEASE: release }, ...UNWATCHED };
    await writeFile(file, JSON.stringify({ services: { web } }));
    const env = { BERTH_SERVER: url, BERTH_TOKEN: `admin:${PASSWORD}`, DOCKER_CONFIG: folder };
    return runBerthIn(env, 'deploy', APP, file);
  };
  const history = async () => {
    const answer = await fetch(`${other.url}/api/v1/apps/team%2Fshop/releases`, { headers: ADMIN });
    const { releases } = (await answer.json()) as { releases: { release: number; state: string }[] };
    return releases.map(({ release, state }) => `${release} ${state}`);
  };

  let host = await connect();
  host.holds.add(APP);
  const first = deploy(driver.url, '1');
  await waitUntil('the host is told', () => host.told.length > 0);
  await driver.kill();
  host.holds.clear();
  host.answer(APP);
  await waitUntil('the other one drives', async () => (await history()).join() === '1 done');
  await driver.restart();
  const { exitCode, stderr } = await first;
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual(host.told, ['1']);

  host.holds.add(APP);
  const second = deploy(driver.url, '2');
  await waitUntil('the host is told', () => host.told.length > 1);
  await postgres.stop();
  // What it says is lost, and it says it again.
  host.answer(APP);
  await host.socket.ended();
  await postgres.start();
  host = await connect();
  const ended = await second;
  assert.equal(ended.exitCode, 0, ended.stderr);
  assert.deepEqual(await history(), ['2 done', '1 done']);
  assert.deepEqual(host.told, ['2']);
});
