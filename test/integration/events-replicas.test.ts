import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openEvents } from '../support/event-stream.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { startPostgres } from '../support/postgres.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { startReplicas } from '../support/replicas.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const postgres = await startPostgres({ after });

test('replicas show each other\u2019s events, in one order, and one goes on where another one was killed', async (t) => {
  const { servers } = await startReplicas(t, { count: 2, postgres });
  const [one, two] = servers;
  assert.ok(one !== undefined && two !== undefined);
  const [atOne, atTwo] = [await openEvents(t, one.url), await openEvents(t, two.url)];
  const clients = servers.map(({ url }) => createRegistryClient(url));
  await Promise.all(
    clients.map(async (client, index) => {
      for (let tag = 0; tag < 10; tag += 1) await client.pushImage(`team/of-${index}`, `${tag}`);
    }),
  );
  const pushes = new Array<string>(20).fill('push');
  const seen = [await atOne.expect(...pushes), await atTwo.expect(...pushes)];
  const [first, second] = seen.map((events) => events.map(({ data }) => `${data.repository}:${data.tag}`));
  assert.deepEqual(first, second);
  await one.kill();
  await clients[1]?.pushImage('team/later', '1');
  const goesOn = await openEvents(t, two.url, { lastId: seen[0]?.[18]?.id ?? '' });
  const [missed, later] = await goesOn.expect('push', 'push');
  assert.equal(`${missed?.data.repository}:${missed?.data.tag}`, first?.[19]);
  assert.equal(later?.data.repository, 'team/later');
});

test('replicas with accounts read each other\u2019s IDs, and those of before a new signing key', async (t) => {
  const database = await postgres.createDatabase();
  const data = await makeTempDir(t, 'replicas');
  const options = { auth: 'accounts', adminPassword: ADMIN_PASSWORD, database, data } as const;
  const one = await startInProcessRegistry(t, options);
  const authorization = basicAuthorization('admin', ADMIN_PASSWORD);
  const stream = await openEvents(t, one.url, { authorization });
  const two = await startInProcessRegistry(t, options);
  const rotated = await two.send('POST', '/api/v1/keys', {
    headers: { authorization, 'Content-Type': 'application/json' },
    body: JSON.stringify({ now: false }),
  });
  assert.equal(rotated.status, 201);
  const goesOn = await openEvents(t, two.url, { authorization, lastId: stream.lastId() });
  const [event] = await goesOn.expect('change');
  assert.equal(event?.data.change, 'POST /api/v1/keys {"now":false}');
});
