import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import type { CleanupScope } from '../support/cleanup.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { sendRequest } from '../support/http-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import type { Figure } from './measurement.ts';

/** The repository of a full catalog. */
export const FULL_REPOSITORY = 'bench/full';
const PAGE = 100;
const PAGES_ASKED = 20;

/**
 * What a catalog of `count` manifests, each with a tag of its own in one repository, costs: the time from the start
 * of the process until it is ready, and to answer a page of tags. Each registry is measured by itself and ends before
 * the other one starts.
 */
export async function measureFullCatalog(
  scope: CleanupScope,
  count: number,
  rounds: number,
): Promise<ReadonlyMap<string, readonly Figure[]>> {
  return new Map([
    ['Berth', await measureBerth(scope, count, rounds)],
    ['docker-registry', await measurePeer(scope, count, rounds)],
  ]);
}

async function measureBerth(scope: CleanupScope, count: number, rounds: number): Promise<readonly Figure[]> {
  const dataDir = join(await makeTempDir(scope, 'full'), 'data');
  await fillCatalog(join(dataDir, 'catalog.sqlite'), count);
  const figures: Figure[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now();
    const registry = await startRegistry(scope, { dataDir });
    await answered(registry.url);
    figures.push(startFigure(count, began), ...(await measurePages(registry.url, count)));
    await registry.stop();
  }
  return figures;
}

async function measurePeer(scope: CleanupScope, count: number, rounds: number): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const filled = await startDockerRegistry(scope);
  await fillFolder(filled.dataDir, count);
  await filled
    .process()
    .end('SIGTERM')
    .catch(() => undefined);
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now();
    const registry = await startDockerRegistry(scope, filled.dataDir);
    await answered(registry.url);
    figures.push(startFigure(count, began), ...(await measurePages(registry.url, count)));
    await registry
      .process()
      .end('SIGTERM')
      .catch(() => undefined);
  }
  // So many files may take longer to remove than the end of a scope is given.
  await rm(filled.dataDir, { recursive: true });
  return figures;
}

function startFigure(count: number, began: number): Figure {
  const name = `start to ready, ${count} manifests`;
  return { name, unit: 'ms', better: 'lower', value: performance.now() - began };
}

async function answered(url: string): Promise<void> {
  const { status } = await sendRequest(`${url}/v2/`);
  if (status !== 200) throw new Error(`${url}/v2/ answered ${status}`);
}

/** The median time of several requests. Each page is another one, or the answer would come out of memory. */
async function measurePages(url: string, count: number): Promise<readonly Figure[]> {
  const time = async (pages: (index: number) => string) => {
    const times: number[] = [];
    for (let index = 0; index < PAGES_ASKED; index += 1) {
      const began = performance.now();
      const answer = await sendRequest(`${url}/v2/${FULL_REPOSITORY}/tags/list?${pages(index)}`);
      times.push(performance.now() - began);
      if (answer.status !== 200) throw new Error(`a page of tags answered ${answer.status}`);
    }
    return times.sort((a, b) => a - b)[PAGES_ASKED / 2] ?? Number.NaN;
  };
  const middle = (index: number) => `n=${PAGE}&last=${tagOf(Math.floor(count / 2) + index)}`;
  const name = `of ${count} tags, ${PAGE} at a time`;
  return [
    {
      name: `first page ${name}`,
      unit: 'ms',
      better: 'lower',
      value: await time((index) => `n=${PAGE - index}`),
    },
    { name: `page in the middle ${name}`, unit: 'ms', better: 'lower', value: await time(middle) },
  ];
}

function tagOf(index: number): string {
  return `t${String(index).padStart(7, '0')}`;
}

/** Fills an empty catalog by SQL: as many pushes would take many minutes. */
export async function fillCatalog(file: string, count: number): Promise<void> {
  const database = await openDatabase({ file });
  try {
    await openCatalog(database);
    const now = Date.now();
    await database('repositories').insert({ id: 1, name: FULL_REPOSITORY, created_at: now });
    const numbers = `with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ${count})`;
    const digest = "'sha256:' || printf('%064x', i)";
    for (const [columns, values] of [
      ['blobs (digest, size, location, created_at)', `${digest}, 500, 'nowhere/' || i, ${now}`],
      ['blob_links (repository_id, digest, created_at, touched_at)', `1, ${digest}, ${now}, ${now}`],
      [
        'manifests (repository_id, digest, media_type, pushed_at)',
        `1, ${digest}, 'application/vnd.oci.image.manifest.v1+json', ${now}`,
      ],
      [
        'tags (repository_id, name, manifest_digest, updated_at)',
        `1, 't' || printf('%07d', i), ${digest}, ${now}`,
      ],
    ]) {
      await database.raw(`insert into ${columns} ${numbers} select ${values} from n`);
    }
  } finally {
    await database.destroy();
  }
}

/** As docker-registry 2.8 keeps tags: a folder for each, with a link to its manifest. */
async function fillFolder(dataDir: string, count: number): Promise<void> {
  const tags = join(dataDir, 'docker/registry/v2/repositories', FULL_REPOSITORY, '_manifests/tags');
  for (let index = 0; index < count; index += 1) {
    const current = join(tags, tagOf(index), 'current');
    await mkdir(current, { recursive: true });
    await writeFile(join(current, 'link'), `sha256:${index.toString(16).padStart(64, '0')}`);
  }
}
