import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { CleanupScope } from './cleanup.ts';
import { ask, type FrozenContent } from './freeze-schema.ts';
import { type Postgres, queryPostgres } from './postgres.ts';
import type { RegistryOptions } from './registry-process.ts';
import { ADMIN_PASSWORD } from './registry-with-accounts.ts';
import { makeTempDir } from './temp-dir.ts';

/** A registry as a released version has left it. */
export interface FrozenRegistry {
  /** The data folder. */
  readonly data: string;
  /** Options of commands that work on it. */
  readonly args: readonly string[];
  /** Starts it with startRegistry. */
  readonly options: RegistryOptions;
  readonly content: FrozenContent;
}

/** The oldest schema that was released. */
const FIRST = join(import.meta.dirname, '../fixtures/catalog-0013');

/** Makes the data of the first released version, on PostgreSQL if a server is given. */
export async function thawRegistry(scope: CleanupScope, postgres?: Postgres): Promise<FrozenRegistry> {
  const data = join(await makeTempDir(scope, 'frozen'), 'data');
  const kind = postgres === undefined ? 'sqlite' : 'postgres';
  const content: FrozenContent = JSON.parse(await readFile(join(FIRST, `${kind}.json`), 'utf8'));
  const sql = await readFile(join(FIRST, `${kind}.sql`), 'utf8');
  for (const [path, text] of Object.entries(content.blobs)) {
    await mkdir(dirname(join(data, path)), { recursive: true, mode: 0o700 });
    await writeFile(join(data, path), text, { mode: 0o600 });
  }
  let database: string | undefined;
  if (postgres === undefined) {
    await writeFile(join(data, 'catalog.sqlite'), '', { mode: 0o600 });
    const opened = new DatabaseSync(join(data, 'catalog.sqlite'), { enableForeignKeyConstraints: false });
    opened.exec(`begin; ${sql} commit;`);
    opened.close();
  } else {
    database = await postgres.createDatabase();
    await queryPostgres(database, sql);
  }
  const args = database === undefined ? [] : ['--database', database];
  // The audit of the fixture grows old.
  const serve = ['--audit-retention', '3600d', '--gc-interval', 'off'];
  return {
    data,
    args: ['--data', data, ...args],
    options: { dataDir: data, adminPassword: ADMIN_PASSWORD, args: [...args, ...serve] },
    content,
  };
}

/** Fails unless a registry still has all that it had when it was frozen. */
export async function expectFrozenContent(url: string, { answers, blobs }: FrozenContent): Promise<void> {
  for (const { body, ...request } of answers) {
    const now = await ask(url, request);
    if (request.path.includes('/manifests/')) assert.equal(now, body, request.path);
    else assert.partialDeepStrictEqual(settled(now), settled(body), request.path);
  }
  for (const repository of ['team/app', 'other/tool']) {
    const manifests = answers.filter(({ path }) => path.startsWith(`/v2/${repository}/manifests/`));
    for (const { body } of manifests) {
      for (const [, digest = ''] of body.matchAll(/"digest":"(sha256:\w+)"/g)) {
        const stored = Object.entries(blobs).find(([path]) => path.includes(`/${digest.slice(7)}.`))?.[1];
        const kind = stored?.includes('schemaVersion') ? 'manifests' : 'blobs';
        assert.equal(await ask(url, { path: `/v2/${repository}/${kind}/${digest}` }), stored);
      }
    }
  }
}

/** Keys of values that change with pulls, deliveries, the connections of hosts, and time. */
const PASSING =
  /^(?:pulledAt|lastUsedAt|pulls|state|current|online|seenAt|failedAt|failure|deliveredAt|waiting|dropped)$/;

/** An answer without the values that change by themselves. */
function settled(body: string): unknown {
  return JSON.parse(body, (key, value) => (PASSING.test(key) ? undefined : value));
}
