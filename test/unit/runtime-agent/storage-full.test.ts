import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import knex from 'knex';
import { grpcError } from '../../../runtime-agent/builder/buildkit/grpc/grpc-error.ts';
import { errorAnswer } from '../../../runtime-agent/engine-api/error-status.ts';

const SENTENCE =
  'no space is left on the disk of the data folder: free some, for example by docker system prune';

describe('a full disk', () => {
  it('is reported as a sentence by both APIs, not as SQL', async (t) => {
    const database = knex({ client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true });
    t.after(() => database.destroy());
    await database.schema.createTable('images', (table) => table.text('content'));
    await database.raw('pragma max_page_count = 4');
    const error = await database('images')
      .insert({ content: 'x'.repeat(100_000) })
      .catch((failure: unknown) => failure);
    assert.match(String(error), /insert into/);
    const { status, message, expected } = errorAnswer(error);
    assert.deepEqual({ status, message, expected }, { status: 507, message: SENTENCE, expected: true });
    assert.equal(grpcError(error).rawMessage, SENTENCE);
  });

  it('is told alike of files, quotas and the store', () => {
    for (const code of ['ENOSPC', 'EDQUOT', 'STORAGE_FULL', 'SQLITE_FULL']) {
      const error = Object.assign(new Error('write failed'), { code });
      assert.equal(errorAnswer(error).message, SENTENCE, code);
    }
    assert.match(
      errorAnswer(Object.assign(new Error('no such file'), { code: 'ENOENT' })).message,
      /unexpectedly/,
    );
  });
});
