import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startCommitProxy } from '../support/commit-proxy.ts';
import { sendRequest } from '../support/http-client.ts';
import { startPostgres } from '../support/postgres.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';

const postgres = await startPostgres({ after });

for (const [how, leave] of [
  ['is not there', 'stop'],
  ['says nothing any more', 'freeze'],
] as const) {
  test(`a registry whose database ${how} stops in its time`, { timeout: 900_000 }, async (t) => {
    const url = await postgres.createDatabase();
    const proxy = await startCommitProxy(t, url);
    const server = await startRegistry(t, {
      args: ['--database', proxy.through(url), '--log-level', 'warn'],
    });
    const registry = createRegistryClient(server.url);
    await registry.pushImage('team/app', '1');
    if (leave === 'stop') await postgres.stop();
    else proxy.freeze();
    // It is no fault of the process, which must not be restarted for it.
    const health = await sendRequest(`${server.url}/healthz`);
    assert.equal(health.status, 200);
    // These wait for the database when the stop comes.
    const waiting = [
      registry.send('GET', '/v2/team/app/tags/list'),
      registry.send('POST', '/v2/team/app/blobs/uploads/'),
    ].map((answer) => answer.then(({ status }) => status).catch(() => 'cut'));
    const exit = await server.process().end('SIGTERM');
    assert.deepEqual(exit, { code: 0, signal: null });
    if (leave === 'stop') await postgres.start();
    for (const outcome of await Promise.all(waiting))
      assert.ok(outcome === 503 || outcome === 'cut', `${outcome}`);
  });
}
