import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { expectError } from '../support/registry-error.ts';

interface SearchAnswer {
  readonly num_results: number;
  readonly num_pages: number;
  readonly page: number;
  readonly page_size: number;
  readonly query: string;
  readonly results: readonly { readonly name: string }[];
}

test('search: by a part of the name, in pages', async (t) => {
  const registry = await startInProcessRegistry(t);
  for (const name of ['web', 'team/app', 'team/tool', 'other/team']) await registry.pushImage(name, '1');
  const search = async (query: string) => {
    const answer = await registry.send('GET', `/v1/search?${query}`);
    assert.equal(answer.status, 200, answer.body.toString());
    const found: SearchAnswer = JSON.parse(answer.body.toString());
    return { ...found, names: found.results.map(({ name }) => name) };
  };
  const all = await search('q=team');
  assert.deepEqual(all.names, ['other/team', 'team/app', 'team/tool']);
  assert.equal(all.num_results, 3);
  assert.equal(all.num_pages, 1);
  const second = await search('q=team&n=2&page=2');
  assert.deepEqual(second.names, ['team/tool']);
  assert.deepEqual([second.num_results, second.num_pages, second.page, second.page_size], [3, 2, 2, 2]);
  assert.deepEqual((await search('q=team&page=9')).names, []);
  assert.equal((await search('')).num_results, 4);
  assert.equal((await search('q=%25')).num_results, 0);
  assert.equal((await search('q=team&n=100000')).page_size, 100);
  for (const bad of ['n=0', 'n=x', 'page=0', 'page=-1', 'n=']) {
    expectError(await registry.send('GET', `/v1/search?q=team&${bad}`), 400, 'UNSUPPORTED');
  }
});

test('search: the ping needs no credentials, the search does', async (t) => {
  const registry = await startInProcessRegistry(t, { auth: 'accounts', adminPassword: 'right-password' });
  const user = { name: 'admin', password: 'right-password' };
  assert.equal((await registry.send('GET', '/v1/_ping')).headers['x-docker-registry-standalone'], 'true');
  expectError(await registry.send('GET', '/v1/search?q=a'), 401, 'UNAUTHORIZED');
  assert.equal((await registry.send('GET', '/v1/search?q=a', { user })).status, 200);
});
