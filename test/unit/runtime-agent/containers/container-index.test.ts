import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Container } from '../../../../runtime-agent/containers/container.ts';
import { ContainerIndex } from '../../../../runtime-agent/containers/container-index.ts';
import { escapeContainerName } from '../../../../runtime-agent/engine-api/api-version.ts';
import { parseLink } from '../../../../runtime-agent/networks/plan/links.ts';

it('a container is found by the name of a link to it', () => {
  const index = new ContainerIndex();
  const add = (name: string, id: string, Links: readonly string[]) => {
    index.reserve(name, id);
    index.add({ id, info: { name, hostConfig: { Links } } } as unknown as Container);
  };
  add('db', 'd'.repeat(64), []);
  add('web', 'e'.repeat(64), [`${'d'.repeat(64)}:alias`]);
  for (const ref of ['web/alias', '/web/alias']) assert.equal(index.find(ref).info.name, 'db');
  for (const ref of ['web/other', 'db/alias', 'web/', '/', 'web/alias/alias']) {
    assert.throws(() => index.find(ref), { code: 'not-found' });
  }
});

it('a link may be written with a slash before its alias', () => {
  for (const [text, target, alias] of [
    ['db:/alias', 'db', 'alias'],
    ['/db:/web/alias', 'db', 'alias'],
    ['db:alias', 'db', 'alias'],
    ['db', 'db', 'db'],
  ] as const) {
    assert.deepEqual(parseLink(text), { target, alias });
  }
  assert.throws(() => parseLink('db:/'), { code: 'bad-request' });
});

it('the name of a link is one segment of a path', () => {
  for (const [path, escaped] of [
    ['/containers/web/alias/json', '/containers/web%2Falias/json'],
    ['/containers//web/alias/attach', '/containers/%2Fweb%2Falias/attach'],
    ['/containers/web/json', '/containers/web/json'],
    ['/containers/json', '/containers/json'],
    ['/containers/a/attach/ws', '/containers/a/attach/ws'],
    ['/containers/create', '/containers/create'],
    ['/images/a/b/json', '/images/a/b/json'],
  ] as const) {
    assert.equal(escapeContainerName(path), escaped);
  }
});
