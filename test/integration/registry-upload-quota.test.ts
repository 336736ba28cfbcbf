import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { openDatabase } from '../../storage/catalog/database.ts';
import { KnexQuotas } from '../../storage/catalog/quotas.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { digestOf } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

const MiB = 1024 * 1024;
const QUOTA = 10 * MiB;

async function startWithQuota(t: TestContext) {
  const registry = await startInProcessRegistry(t);
  const knex = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
  t.after(() => knex.destroy());
  await new KnexQuotas(knex).put({ pattern: 'small/*', bytes: QUOTA });
  const folder = join(registry.data, 'uploads');
  const bytesOfUploads = async () => {
    let bytes = 0;
    for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
    return bytes;
  };
  return { registry, knex, bytesOfUploads };
}

test('a chunk that exceeds a quota is refused by its length, before a byte of it', async (t) => {
  const { registry, bytesOfUploads } = await startWithQuota(t);
  const location = await registry.begin('small/app');
  const connection = await connectRaw(t, registry.port);
  connection.write(
    `PATCH ${location} HTTP/1.1\r\nHost: r\r\nContent-Length: ${191 * MiB}\r\nExpect: 100-continue\r\n\r\n`,
  );
  await connection.waitFor(/^HTTP\/1\.1 403 [\s\S]*"DENIED"/);
  assert.equal(await bytesOfUploads(), 0);
});

test('unfinished uploads count, until they are cancelled', async (t) => {
  const { registry } = await startWithQuota(t);
  const [first, second] = [await registry.begin('small/app'), await registry.begin('small/other')];
  const chunk = Buffer.alloc(6 * MiB);
  assert.equal((await registry.send('PATCH', first, { body: chunk })).status, 202);
  const small = chunk.subarray(0, 5 * MiB);
  const refusal = await registry.send('PATCH', second, { body: Readable.from([small]) });
  expectError(refusal, 403, 'DENIED');
  assert.equal((await registry.send('DELETE', first)).status, 204);
  assert.equal((await registry.send('PATCH', second, { body: small })).status, 202);
  const put = await registry.send('PUT', `${second}?digest=${digestOf(small)}`);
  assert.equal(put.status, 201, put.body.toString());
});

test('a chunk of unknown length that exceeds a quota leaves nothing', async (t) => {
  const { registry, bytesOfUploads } = await startWithQuota(t);
  const location = await registry.begin('small/app');
  assert.equal((await registry.send('PATCH', location, { body: Buffer.alloc(MiB) })).status, 202);
  const pieces = Array.from({ length: 12 }, () => Buffer.alloc(MiB));
  const refused = await registry.send('PATCH', location, { body: Readable.from(pieces) });
  expectError(refused, 403, 'DENIED');
  assert.equal(await bytesOfUploads(), MiB);
  const status = await registry.send('GET', location);
  assert.equal(status.headers.range, `0-${MiB - 1}`);
  const rest = Readable.from(pieces.slice(0, 9));
  assert.equal((await registry.send('PATCH', location, { body: rest })).status, 202, 'it fits exactly');
});

test('a blob in one request counts as it comes, and nothing stays of one that is refused', async (t) => {
  const { registry, knex, bytesOfUploads } = await startWithQuota(t);
  const content = Buffer.alloc(11 * MiB);
  const post = (body: Buffer | Readable) =>
    registry.send('POST', `/v2/small/app/blobs/uploads/?digest=${digestOf(content)}`, { body });
  expectError(await post(Readable.from([content])), 403, 'DENIED');
  assert.equal(await bytesOfUploads(), 0);
  assert.deepEqual(await knex('uploads').select('id'), []);
});

test('an account has a limit of unfinished uploads', async (t) => {
  const { registry, knex } = await startWithQuota(t);
  await knex.raw(
    `insert into uploads (id, repository, size, detail, started_at, touched_at)
      with recursive n (i) as (select 1 union all select i + 1 from n where i < 10000)
      select 'u' || i, 'team/app', 0, '', 0, 0 from n`,
  );
  const refused = await registry.send('POST', '/v2/team/app/blobs/uploads/');
  expectError(refused, 429, 'TOOMANYREQUESTS');
  assert.match(refused.body.toString(), /10000 unfinished uploads/);
  await knex('uploads').where({ id: 'u1' }).delete();
  assert.equal((await registry.send('POST', '/v2/team/app/blobs/uploads/')).status, 202);
});
