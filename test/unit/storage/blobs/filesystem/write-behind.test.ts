import assert from 'node:assert/strict';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BufferPool, WriteBehind } from '../../../../../storage/blobs/filesystem/write-behind.ts';
import { patternBytes } from '../../../../support/content.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

test('however many writers wait for more, they hold no more buffers than there are', async (t) => {
  const folder = await makeTempDir(t, 'write-behind');
  const pool = new BufferPool(4);
  const writers = [];
  for (let index = 0; index < 40; index += 1) {
    const file = await open(join(folder, String(index)), 'w+');
    t.after(() => file.close());
    const writer = new WriteBehind(file, 0, pool, async () => undefined);
    writers.push({ file, writer, index });
    await writer.write(patternBytes(1000, index));
    assert.ok(pool.out <= 4, `${pool.out} buffers`);
  }
  for (const { writer, index } of writers) await writer.write(patternBytes(700_000, index + 1));
  for (const { writer, index } of writers) {
    await writer.finish();
    assert.equal(writer.end, 701_000);
    const expected = Buffer.concat([patternBytes(1000, index), patternBytes(700_000, index + 1)]);
    assert.ok((await readFile(join(folder, String(index)))).equals(expected));
  }
  assert.equal(pool.out, 0);
});
