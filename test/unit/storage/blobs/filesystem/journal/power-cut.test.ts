import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cpSync, existsSync } from 'node:fs';
import { cp, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { DurableFolders } from '../../../../../../storage/blobs/filesystem/device.ts';
import { openFilesystemDriver } from '../../../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { hasJournalRecords } from '../../../../../../storage/blobs/filesystem/journal/replay-journals.ts';
import { SmallFiles } from '../../../../../../storage/blobs/filesystem/journal/small-files.ts';
import { blobLocation } from '../../../../../../storage/blobs/filesystem/layout.ts';
import { collect, digestOf, patternBytes } from '../../../../../support/content.ts';
import { makeTempDir } from '../../../../../support/temp-dir.ts';
import { waitUntil } from '../../../../../support/wait-until.ts';

const JOURNAL_SIZE = 16 * 1024;

/** Small files whose file system stores nothing but journals until it is told to: a power cut takes all the rest. */
async function startOnVolatileDevice(t: TestContext) {
  const folder = await makeTempDir(t, 'journal');
  const root = join(folder, 'store');
  const device = join(folder, 'device');
  let cuts = 0;
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
  await waitUntil('there is a journal', () => small.store(recordOf(1000)));
  return {
    root,
    small,
    state,
    /** What a power cut leaves at this moment, in the middle of a sync or not. */
    cutPower: () => {
      cuts += 1;
      const left = join(folder, `left-${cuts}`);
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
  const cuts: { readonly left: string; readonly expected: typeof answered }[] = [];
  const store = async (record: ReturnType<typeof recordOf>) => {
    // Refused while both journals are full.
    await waitUntil('a journal is empty again', () => small.store(record));
    answered.push(record);
    // At once: the others are on their way.
    if (answered.length % 17 === 5) cuts.push({ left: cutPower(), expected: [...answered] });
  };
  for (let round = 0; round < 12; round += 1) {
    await Promise.all(Array.from({ length: 10 }, (_, index) => store(recordOf(round * 10 + index))));
  }
  for (const { left, expected } of cuts) await expectAll(left, expected);
  assert.ok(state.syncs >= 2, `both journals were used again: ${state.syncs}`);
});

test('what a power cut has torn ends the journal, and the records before it count', async (t) => {
  const { small, cutPower } = await startOnVolatileDevice(t);
  const whole = [recordOf(1), recordOf(2)];
  for (const record of whole) assert.equal(await small.store(record), true);
  const torn = recordOf(3);
  assert.equal(await small.store(torn), true);
  const left = cutPower();
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
  await small.close();
  assert.equal(state.syncs, 0);
  await expectAll(cutPower(), answered);
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

test('a blob is answered when the device has the journal, and not at all when it fails; the next is stored otherwise', async (t) => {
  const { small, state } = await startOnVolatileDevice(t);
  assert.equal(await small.store(recordOf(1)), true);
  const handle = await open(import.meta.filename);
  const handles: typeof handle = Object.getPrototypeOf(handle);
  await handle.close();
  const device = Promise.withResolvers<void>();
  const synced = t.mock.method(handles, 'datasync', () => device.promise);
  const storing = small.store(recordOf(2));
  let answered = false;
  storing.then(
    () => {
      answered = true;
    },
    () => {},
  );
  await waitUntil('the device is asked', () => synced.mock.callCount() === 1);
  await setTimeout(100);
  const early = answered;
  device.reject(new Error('EIO'));
  await assert.rejects(storing, /EIO/);
  assert.equal(early, false);
  t.mock.restoreAll();
  assert.equal(await small.store(recordOf(3)), false);
  await small.close();
  assert.equal(state.syncs, 0, 'the journal is left to the next start');
});
