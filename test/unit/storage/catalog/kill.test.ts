import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { openSqliteCatalog } from '../../../../storage/catalog/knex-catalog.ts';
import { digestOf } from '../../../support/content.ts';
import { killWhileWriting } from '../support/kill-while-writing.ts';

const PROGRAM = fileURLToPath(new URL('../support/put-manifests.ts', import.meta.url));

test('kill -9 at any moment leaves whole transactions, and all that were answered', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-catalog-kill-'));
  const file = join(folder, 'catalog.db');
  try {
    const answered = new Set<string>();
    for (let round = 0; round < 5; round += 1) {
      for (const tag of await killWhileWriting(PROGRAM, [file])) answered.add(tag);
      await checkNothingHalfDone(file);
      await checkAll(file, answered);
    }
    assert.ok(answered.size >= 5);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

async function checkAll(file: string, answered: ReadonlySet<string>): Promise<void> {
  const catalog = await openSqliteCatalog({ file });
  try {
    const { names } = await catalog.tags.list('team/app', { limit: 1_000_000 });
    const tags = new Set(names);
    for (const tag of answered) assert.ok(tags.has(tag), `${tag} was answered and is there`);
    for (const tag of tags) {
      const manifest = await catalog.manifests.findByTag('team/app', tag);
      assert.equal(manifest?.blob.digest, digestOf(`manifest ${tag}`));
      assert.deepEqual(manifest.references, [{ kind: 'layer', digest: digestOf(`layer ${tag}`) }]);
      assert.ok(await catalog.blobs.find('team/app', digestOf(`layer ${tag}`)));
    }
  } finally {
    await catalog.close();
  }
}

/** Each manifest of the program has its reference and its tag, put in one transaction with it. */
async function checkNothingHalfDone(file: string): Promise<void> {
  const knex = await openDatabase({ file });
  try {
    const countOf = async (table: string) => Number((await knex(table).count({ count: '*' }))[0]?.count);
    const manifests = await countOf('manifests');
    assert.ok(manifests > 0);
    assert.equal(await countOf('manifest_references'), manifests);
    assert.equal(await countOf('tags'), manifests);
  } finally {
    await knex.destroy();
  }
}
