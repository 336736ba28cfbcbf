import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Digest } from '../../oci/digest.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { withCleanup } from '../support/cleanup.ts';
import { startProcess } from '../support/managed-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/*
 * `node test/bench/sweep-waits.ts`: how long a push waits for its turn to write while `berth gc` deletes beside it,
 * from another process, 25 rows in a transaction. What is pushed is a link, with nothing else around it: without
 * sweeps it takes what a transaction and one wait for the device take. Put TMPDIR on a tmpfs to leave out the device.
 */

const PUSHES = 2_000;
/** Manifests without a tag, each with a config and two layers: four links and four blobs go with it. */
const GARBAGE = 10_000;
const SWEEPER = join(import.meta.dirname, '../support/sweep-for-ever.ts');

const digestOf = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}`;

await withCleanup(async (scope) => {
  const data = await makeTempDir(scope, 'sweep-waits');
  const database = await openDatabase({ file: join(data, 'catalog.sqlite') });
  const catalog = await openCatalog(database);
  const push = async () => {
    const waits: number[] = [];
    for (let count = 0; count < PUSHES; count += 1) {
      const blob = { digest: digestOf(randomUUID()), size: 1, location: randomUUID() };
      const began = performance.now();
      await catalog.blobs.link('live', blob);
      waits.push(performance.now() - began);
    }
    return waits.sort((one, other) => one - other);
  };
  const tell = (what: string, waits: readonly number[]) => {
    const at = (part: number) =>
      (waits[Math.min(waits.length - 1, Math.floor(waits.length * part))] ?? 0).toFixed(1);
    process.stdout.write(`${what}: median ${at(0.5)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms\n`);
  };
  await push();
  for (let round = 0; round < 2; round += 1) {
    tell('without a sweep', await push());
    await fill();
    const sweeper = startProcess(scope, process.execPath, [SWEEPER, data]);
    await sweeper.waitForLine(/sweeping/);
    tell('beside a sweep ', await push());
    const left = Number((await database('manifests').count({ count: '*' }).first())?.count);
    await sweeper.end('SIGTERM');
    process.stdout.write(`${GARBAGE - left} of ${GARBAGE} manifests went meanwhile\n`);
    for (const table of ['manifest_references', 'manifests', 'blob_links', 'blobs'])
      await database(table).delete();
  }
  await database.destroy();

  async function fill(): Promise<void> {
    const now = Date.now() - 1000;
    await database('repositories').insert({ name: 'old', created_at: now }).onConflict('name').ignore();
    const { id } = await database('repositories').where({ name: 'old' }).first('id');
    await database.transaction(async (trx) => {
      for (let count = 0; count < GARBAGE; count += 1) {
        const digests = ['manifest', 'config', 'first', 'second'].map((part) => digestOf(`${part} ${count}`));
        const [manifest = '', ...parts] = digests;
        await trx('blobs').insert(
          digests.map((digest) => ({ digest, size: 1, location: randomUUID(), created_at: now })),
        );
        await trx('blob_links').insert(
          digests.map((digest) => ({ repository_id: id, digest, created_at: now, touched_at: now })),
        );
        await trx('manifests').insert({
          repository_id: id,
          digest: manifest,
          media_type: 'x',
          pushed_at: now,
        });
        await trx('manifest_references').insert(
          parts.map((digest, position) => ({
            repository_id: id,
            manifest_digest: manifest,
            position,
            kind: 'layer',
            digest,
          })),
        );
      }
    });
  }
});
