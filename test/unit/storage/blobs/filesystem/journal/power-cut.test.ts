import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cpSync, existsSync } from 'node:fs';
import { cp, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DurableFolders } from '../../../../../../storage/blobs/filesystem/durable-folders.ts';
import { openFilesystemDriver } from '../../../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { hasJournalRecords } from '../../../../../../storage/blobs/filesystem/journal/replay-journals.ts';
import { SmallFiles } from '../../../../../../storage/blobs/filesystem/journal/small-files.ts';
import { blobLocation } from '../../../../../../storage/blobs/filesystem/layout.ts';
import { collect, digestOf, patternBytes } from '../../../../../support/content.ts';
import { makeTempDir } from '../../../../../support/temp-dir.ts';

const JOURNAL_SIZE = 16 * 1024;

/** Small files whose file system stores nothing but journals until it is told to: a power cut takes all the rest. */
async function startOnVolatileDevice(t: TestContext) {
  const root = join(await makeTempDir(t, 'journal'), 'store');
  const device = join(await makeTempDir(t, 'journal'), 'device');
  for (const folder of ['blobs', 'uploads']) await mkdir(join(root, folder), { recursive: true });
  const state = { syncs: 0, fails: false };
  const syncFilesystem = async () => {
    if (state.fails) throw new Error('the device is broken');
    // What the device has already it does not write again.
    await cp(join(root, 'blobs'), join(device, 'blobs'), { recursive: true, force: false });
    state.syncs += 1;
  };
  const small = new SmallFiles({
    root,
    folders: new DurableFolders(),
    journalSize: JOURNAL_SIZE,
    syncFilesystem,
  });
  t.after(() => small.close());
  return {
    root,
    small,
    state,
    /** What a power cut leaves at this moment, in the middle of a sync or not. */
    cutPower: async () => {
      const left = await makeTempDir(t, 'journal');
      if (existsSync(device)) cpSync(device, left, { recursive: true });
      cpSync(join(root, 'journal'), join(left, 'journal'), { recursive: true });
      return left;
    },
  };
}

function recordOf(number: number) {
  const content = patternBytes(500 + ((number * 97) % 1500), number);
  return { content, location: blobLocation({ digest: digestOf(content), uploadId: randomUUID() }) };
}

async function expectAll(root: string, records: readonly ReturnType<typeof recordOf>[]): Promise<void> {
  const driver = await openFilesystemDriver(root, { journal: true });
  try {
    for (const { content, location } of records) {
      const blob = { digest: digestOf(content), size: content.byteLength, location };
      assert.ok((await collect(await driver.readBlob(blob))).equals(content), location);
    }
  } finally {
    await driver.close();
  }
}

test('whenever the power fails, every blob that was answered is there when the folder is opened', async (t) => {
  const { small, state, cutPower } = await startOnVolatileDevice(t);
  const answered: ReturnType<typeof recordOf>[] = [];
  let next = 0;
  let refused = 0;
  for (let round = 0; round < 12; round += 1) {
    const records = Array.from({ length: 10 }, () => recordOf(next++));
    const stored = await Promise.all(records.map((record) => small.store(record)));
    for (const [index, record] of records.entries()) {
      if (stored[index] === true) answered.push(record);
      else refused += 1;
    }
    if (round % 3 === 2) await expectAll(await cutPower(), answered);
  }
  assert.ok(state.syncs >= 2, `both journals were used again: ${state.syncs}`);
  assert.ok(answered.length > refused, `${refused} refused`);
});

test('what a power cut has torn ends the journal, and the records before it count', async (t) => {
  const { small, cutPower } = await startOnVolatileDevice(t);
  const whole = [recordOf(1), recordOf(2)];
  for (const record of whole) assert.equal(await small.store(record), true);
  const torn = recordOf(3);
  assert.equal(await small.store(torn), true);
  const left = await cutPower();
  const path = join(left, 'journal/1');
  const bytes = await readFile(path);
  const at = bytes.lastIndexOf(Buffer.from(torn.content.subarray(0, 64)));
  assert.ok(at > 0);
  const handle = await open(path, 'r+');
  await handle.write(Buffer.alloc(16), 0, 16, at + 100);
  await handle.close();
  await expectAll(left, whole);
  const driver = await openFilesystemDriver(left);
  assert.deepEqual(await driver.findBlobs(digestOf(torn.content)), []);
  assert.equal(await hasJournalRecords(left), false);
});

test('a device that cannot be synced keeps its journals for the next start; what comes is stored otherwise', async (t) => {
  const { root, small, state, cutPower } = await startOnVolatileDevice(t);
  state.fails = true;
  const answered: ReturnType<typeof recordOf>[] = [];
  for (let number = 0; number < 60; number += 1) {
    const record = recordOf(number);
    if (await small.store(record)) answered.push(record);
  }
  assert.ok(answered.length > 10 && answered.length < 60, `${answered.length}`);
  state.fails = false;
  await small.close();
  assert.equal(state.syncs, 0);
  await expectAll(await cutPower(), answered);
  assert.equal(await hasJournalRecords(root), true);
});

test('after a close nothing is left to bring back', async (t) => {
  const { root, small, state } = await startOnVolatileDevice(t);
  for (let number = 0; number < 30; number += 1) await small.store(recordOf(number));
  assert.equal(await hasJournalRecords(root), true);
  await small.close();
  assert.ok(state.syncs > 0);
  assert.equal(await hasJournalRecords(root), false);
  assert.equal(await small.store(recordOf(99)), false);
  assert.deepEqual(await readdir(join(root, 'uploads')), []);
});

test('a blob that cannot be written fails alone', async (t) => {
  const { small } = await startOnVolatileDevice(t);
  const good = recordOf(1);
  const bad = { ...recordOf(2), location: 'blobs/sha256/../../elsewhere' };
  const outcomes = await Promise.allSettled([small.store(bad), small.store(good)]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['rejected', 'fulfilled'],
  );
});
