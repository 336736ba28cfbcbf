import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { sendRequest } from '../support/http-client.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const HOOK = join(ROOT, 'test/support/loaded-modules.ts');
/** What decides whether a request is for a page. */
const DOOR = 'server/page/answer-browsers.ts';
const HTML = { accept: 'text/html' };

/** A registry, and which files of its sources it has loaded so far. */
async function startWatched(t: TestContext, args: readonly string[]) {
  const file = join(await makeTempDir(t, 'loaded'), 'modules');
  const env = { NODE_OPTIONS: `--import=${pathToFileURL(HOOK)}`, BERTH_TEST_LOADED: file };
  const registry = await startRegistry(t, { args, env });
  const loaded = async (of: RegExp) => {
    const lines = (await readFile(file, 'utf8')).split('\n');
    const files = lines.map((line) => line.replace(`${pathToFileURL(ROOT)}/`, ''));
    assert.ok(files.includes('server/cli/serve.ts'), 'the hook sees what is loaded');
    return files.filter((one) => of.test(one) && one !== DOOR);
  };
  return { ...registry, loaded };
}

const PAGES = /^server\/(?:page|markup)\//;
const COMPARISONS = /^server\/browse\/(?:compare-images|file-changes|sbom|signatures)\.ts$/;
const DOCUMENTS = /^server\/page\/documents\//;

/** What clients that are no browsers ask for. */
async function useAsRegistry(url: string): Promise<void> {
  const client = createRegistryClient(url);
  await client.pushImage('team/app', '1');
  for (const path of [
    '/',
    '/v2/',
    '/v2/team/app/manifests/1',
    '/metrics',
    '/api/v1/repositories',
    '/health',
  ]) {
    await sendRequest(`${url}${path}`);
  }
}

test('the code of pages is loaded at the first request for a page, and not before', async (t) => {
  const { loaded, url } = await startWatched(t, []);
  await useAsRegistry(url);
  assert.deepEqual(await loaded(PAGES), []);
  assert.deepEqual(await loaded(COMPARISONS), []);
  assert.equal((await sendRequest(`${url}/`, { headers: HTML })).status, 200);
  assert.ok((await loaded(PAGES)).includes('server/page/page-router.ts'));
  assert.deepEqual(await loaded(COMPARISONS), []);
  assert.deepEqual(await loaded(DOCUMENTS), []);
  assert.equal((await sendRequest(`${url}/docs/`)).status, 200);
  assert.ok((await loaded(DOCUMENTS)).includes('server/page/documents/documents-page.ts'));
  const image = await sendRequest(`${url}/repositories/team/app/-/tags/1`, { headers: HTML });
  assert.equal(image.status, 200);
  assert.ok((await loaded(COMPARISONS)).includes('server/browse/signatures.ts'));
});

test('with --page off it is never loaded', async (t) => {
  const { loaded, url } = await startWatched(t, ['--page', 'off']);
  await useAsRegistry(url);
  for (const path of ['/', '/repositories/team/app', '/account', '/admin/users', '/hosts', '/docs/']) {
    await sendRequest(`${url}${path}`, { headers: HTML });
  }
  assert.deepEqual(await loaded(/^server\/page\//), []);
});
