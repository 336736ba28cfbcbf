import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openAccounts } from '../../server/open-auth.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { defer } from '../support/cleanup.ts';
import { hashPassword } from '../support/hash-password.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { startPostgres } from '../support/postgres.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const PASSWORD = 'a password of tests';

test('two servers on one PostgreSQL have the same people, keys and logins', async (t) => {
  const postgres = await startPostgres({ after });
  const database = await postgres.createDatabase();
  const data = await makeTempDir(t, 'replicas');
  const start = (name: string) =>
    startInProcessRegistry(t, {
      data: join(data, name),
      database,
      auth: 'accounts',
      adminPassword: PASSWORD,
    });
  const [one, other] = [await start('one'), await start('other')];
  const connection = await openPostgres(database);
  defer(t, () => connection.destroy());
  const store = await openAccounts(connection);
  const ada = basicAuthorization('ada', PASSWORD);
  const ask = async (registry: typeof one, query: string) =>
    registry.send('GET', `/token?${query}`, { headers: { authorization: ada } });

  const passwordHash = await hashPassword(PASSWORD);
  await store.accounts.create({ name: 'ada', passwordHash, admin: false, createdAt: new Date() });
  const answers = await Promise.all([ask(one, 'offline_token=true'), ask(other, 'offline_token=true')]);
  const [first, second] = answers.map(({ body }) => JSON.parse(body.toString()));
  assert.equal((await store.keys.list(new Date())).length, 1);
  for (const [registry, { token }] of [
    [other, first],
    [one, second],
  ] as const) {
    const headers = { authorization: `Bearer ${token}` };
    assert.equal((await registry.send('GET', '/v2/', { headers })).status, 200);
  }

  const refresh = async (registry: typeof one) => {
    const answer = await registry.send('POST', '/token', {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `grant_type=refresh_token&refresh_token=${first.refresh_token}&scope=repository:team/app:pull`,
    });
    return answer.status === 200 ? JSON.parse(answer.body.toString()).scope : answer.status;
  };
  assert.deepEqual([await refresh(one), await refresh(other)], ['', '']);
  const holder = { kind: 'user', name: 'ada' } as const;
  await store.roles.put({ holder, pattern: 'team/*', role: 'reader' });
  const scope = 'repository:team/app:pull';
  assert.deepEqual([await refresh(one), await refresh(other)], [scope, scope]);
  await store.accounts.remove('ada');
  assert.deepEqual([await refresh(one), await refresh(other)], [401, 401]);
  assert.deepEqual([(await ask(one, '')).status, (await ask(other, '')).status], [401, 401]);
});
