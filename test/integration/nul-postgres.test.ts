import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { basicAuthorization } from '../support/http-client.ts';
import { startPostgres } from '../support/postgres.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';

const adminPassword = 'right-password';
const postgres = await startPostgres({ after });
const database = await postgres.createDatabase();
const registry = await startRegistry({ after }, { adminPassword, args: ['--database', database] });
const admin = createRegistryClient(registry.url, { name: 'admin', password: adminPassword });

test("NUL, which PostgreSQL keeps in no text, is the client's mistake wherever it is sent", async () => {
  const { digest } = await admin.pushBlob('team/app', Buffer.from('{}'));
  await admin.pushImage('team/app', '1');
  for (const path of [
    '/v2/_catalog?last=%00',
    '/v2/team/app/tags/list?last=%00',
    `/v2/team/app/referrers/${digest}?artifactType=%00`,
    '/v1/search?q=%00',
    '/api/v1/audit?who=%00',
    '/api/v1/audit?repository=%00',
    '/api/v1/users/%00',
    '/api/v1/teams/%00',
    '/auth/login?provider=%00',
  ]) {
    const { status, body } = await admin.send('GET', path);
    assert.ok(status === 400 || status === 404, `${path}: ${status} ${body}`);
  }
  const headers = { 'content-type': 'application/json' };
  const made = await admin.send('POST', '/api/v1/tokens', { headers, body: '{"name":"a\\u0000"}' });
  assert.equal(made.status, 400, made.body.toString());
  assert.match(made.body.toString(), /characters, such as NUL/);
  assert.doesNotMatch(made.body.toString(), /insert|select/);
});

test('a login whose name has NUL is refused, and nothing fails by it', async () => {
  const anybody = createRegistryClient(registry.url);
  const headers = { authorization: basicAuthorization('a\0b', 'x') };
  for (const path of ['/token?service=berth', '/v2/']) {
    const { status } = await anybody.send('GET', path, { headers });
    assert.ok(status === 400 || status === 401, `${path}: ${status}`);
  }
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const body = 'grant_type=password&username=%00&password=x&service=berth&client_id=a';
  const { status } = await anybody.send('POST', '/token', { headers: form, body });
  assert.ok(status === 400 || status === 401, String(status));
  assert.doesNotMatch(registry.process().output(), /"status":500|a request failed/);
  assert.equal((await admin.send('GET', '/v2/')).status, 200);
});
