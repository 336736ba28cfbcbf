import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { describedCalls } from '../support/described-calls.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';

const registry = await startInProcessRegistry({ after });
const { call } = await describedCalls(registry);

test('without accounts everybody looks, deletes and restores, but no page of another site', async () => {
  const { digest } = await registry.pushImage('team/app', '1');
  const { json } = await call(undefined, 'GET', '/repositories?search=APP');
  assert.deepEqual([json.repositories[0].name, json.repositories[0].tags], ['team/app', 1]);
  const path = '/repositories/team%2Fapp/manifests/1';
  const other = { origin: 'https://elsewhere.invalid', 'Sec-Fetch-Site': 'cross-site' };
  const forged = await registry.send('DELETE', `/api/v1${path}`, { headers: other });
  assert.equal(forged.status, 403);
  assert.equal((await call(undefined, 'DELETE', path)).json.deleted, true);
  const restore = '/repositories/team%2Fapp/deleted-tags/1/restore';
  assert.deepEqual((await call(undefined, 'POST', restore, {})).json, { digest });
});

test('berth tag restore takes a delete back, and says why it cannot', async () => {
  const { digest } = await registry.pushImage('team/cli', '1');
  const restore = (word: string) => runBerth('tag', 'restore', word, '--data', registry.data);
  await call(undefined, 'DELETE', '/repositories/team%2Fcli/manifests/1');
  const done = await restore('team/cli:1');
  assert.equal(done.stdout, `team/cli:1 points at ${digest} again\n`);
  const pulled = await registry.send('GET', '/v2/team/cli/manifests/1');
  assert.equal(pulled.headers['docker-content-digest'], digest);
  await call(undefined, 'DELETE', `/repositories/team%2Fcli/manifests/${digest}`);
  for (const [word, exitCode, reason] of [
    ['team/cli:1', 1, /is deleted: push the image again/],
    ['team/cli:never', 1, /no deleted tag never/],
    ['team/cli', 2, /has no tag/],
    ['TEAM:1', 1, /there is no repository TEAM/],
  ] as const) {
    const refused = await restore(word);
    assert.deepEqual([refused.exitCode, refused.stdout], [exitCode, ''], word);
    assert.match(refused.stderr, reason);
  }
});

test('pulls are recorded when the registry ends at the latest', async () => {
  await registry.send('GET', '/v2/team/app/manifests/1');
  await registry.send('HEAD', '/v2/team/app/manifests/1');
  await registry.stop();
  const again = await startInProcessRegistry({ after }, { data: registry.data });
  const calls = await describedCalls(again);
  const { json } = await calls.call(undefined, 'GET', '/repositories/team%2Fapp/tags');
  assert.ok(Date.parse(json.tags[0].lastPull) > Date.now() - 600_000);
  const repository = await calls.call(undefined, 'GET', '/repositories/team%2Fapp');
  assert.equal(repository.json.lastPull, json.tags[0].lastPull);
});
