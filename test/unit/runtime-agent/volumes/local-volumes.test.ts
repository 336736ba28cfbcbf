import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import pino from 'pino';
import { EventBus } from '../../../../runtime-agent/events/event-bus.ts';
import { openVolumes } from '../../../../runtime-agent/volumes/local-volumes.ts';
import type { Volumes } from '../../../../runtime-agent/volumes/volume.ts';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

async function withVolumes<T>(dataDirectory: string, use: (volumes: Volumes) => Promise<T>): Promise<T> {
  const knex = await openDatabase({ file: join(dataDirectory, 'state.sqlite') });
  try {
    const log = pino({ level: 'silent' });
    return await use(await openVolumes({ knex, events: new EventBus(), dataDirectory, log }));
  } finally {
    await knex.destroy();
  }
}

async function folderWithVolume(t: TestContext): Promise<{ readonly data: string; readonly file: string }> {
  const data = await makeTempDir(t, 'volumes');
  const { mountpoint } = await withVolumes(data, (volumes) => volumes.create({ name: 'precious' }));
  const file = join(mountpoint, 'file');
  await writeFile(file, 'all there is');
  return { data, file };
}

test('a lost database takes no content of volumes with it', async (t) => {
  const { data, file } = await folderWithVolume(t);
  for (const name of await readdir(data)) if (name.startsWith('state.sqlite')) await rm(join(data, name));
  const [volume, ...more] = await withVolumes(data, (volumes) => volumes.list());
  assert.deepEqual([volume?.name, volume?.anonymous, more], ['precious', false, []]);
  assert.equal(await readFile(file, 'utf8'), 'all there is');
});

test('what was cut short goes at the next start', async (t) => {
  const { data, file } = await folderWithVolume(t);
  const folder = join(data, 'volumes');
  await mkdir(join(folder, '.removed-0123456789abcdef/_data/some'), { recursive: true });
  await mkdir(join(folder, 'half-made/_data'), { recursive: true });
  await mkdir(join(folder, 'begun'));
  const names = await withVolumes(data, async (volumes) => (await volumes.list()).map(({ name }) => name));
  assert.deepEqual(names, ['precious']);
  assert.deepEqual(await readdir(folder), ['precious']);
  assert.equal(await readFile(file, 'utf8'), 'all there is');
});
