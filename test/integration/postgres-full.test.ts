import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { defer } from '../support/cleanup.ts';
import type { HttpAnswer } from '../support/http-client.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { queryPostgres, startPostgres } from '../support/postgres.ts';
import { digestOf } from '../support/registry-client.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };
/** Far more than fit into what is left when the device is full. */
const MOST_PUSHES = 3_000;

test(
  'a full database is an error that passes: nothing is lost, and pushes go on when there is space',
  options,
  async (t) => {
    // It would give back what a refused row has taken.
    const postgres = await startPostgres(t, { settings: { autovacuum: 'off' } });
    const device = await makeTempDir(t, 'small');
    await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0777', 'berth-test', device]);
    defer(t, async () => {
      await runCommand('umount', ['--lazy', device]);
    });
    await runCommand('install', ['-d', '-o', 'postgres', '-m', '0700', join(device, 'space')]);
    const database = await postgres.createDatabase({ folder: join(device, 'space') });
    const data = join(await makeTempDir(t, 'full'), 'data');
    const registry = await startInProcessRegistry(t, { data, database });
    const { digest } = await registry.pushImage('team/app', '1');

    await queryPostgres(database, 'create table filler (text text)');
    const fill = "insert into filler select repeat('x', 1900) from generate_series(1, 100000)";
    await assert.rejects(queryPostgres(database, fill), { code: '53100' });
    const pushed: string[] = [];
    const push = (index: number) => {
      const content = `content ${index}`;
      return registry.send('POST', `/v2/team/app/blobs/uploads/?digest=${digestOf(content)}`, {
        body: content,
      });
    };
    let refused: HttpAnswer | undefined;
    for (let index = 0; refused === undefined && index < MOST_PUSHES; index += 1) {
      const answer = await push(index);
      if (answer.status === 201) pushed.push(digestOf(`content ${index}`));
      else refused = answer;
    }
    assert.equal(refused?.status, 503, String(refused?.body));
    assert.match(String(refused?.body), /"code":"UNAVAILABLE","message":"the registry has no space left/);
    assert.ok(refused?.headers['retry-after'] !== undefined);
    const pulled = await registry.send('GET', '/v2/team/app/manifests/1');
    assert.equal(pulled.headers['docker-content-digest'], digest);

    await queryPostgres(database, 'drop table filler');
    assert.equal((await push(pushed.length)).status, 201);
    for (const blob of pushed)
      assert.equal((await registry.send('HEAD', `/v2/team/app/blobs/${blob}`)).status, 200);
    const checked = await runBerth('fsck', '--data', data, '--database', database);
    assert.equal(checked.exitCode, 0, checked.stdout);
  },
);
