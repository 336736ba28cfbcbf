import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
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
      const catalog = await openSqliteCatalog({ file });
      const { names } = await catalog.tags.list('team/app', { limit: 1_000_000 });
      for (const tag of answered) assert.ok(names.includes(tag), `${tag} was answered and is there`);
      for (const tag of names) {
        const manifest = await catalog.manifests.findByTag('team/app', tag);
        assert.equal(manifest?.blob.digest, digestOf(`manifest ${tag}`));
        assert.deepEqual(manifest.references, [{ kind: 'layer', digest: digestOf(`layer ${tag}`) }]);
        assert.ok(await catalog.blobs.find('team/app', digestOf(`layer ${tag}`)));
      }
      await catalog.close();
    }
    assert.ok(answered.size >= 5);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
