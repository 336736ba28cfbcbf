import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Access, ANONYMOUS } from '../../auth/access/access.ts';
import { mountBlob } from '../../server/registry/uploads.ts';
import type { RequestContext } from '../../server/request-context.ts';
import { openSqliteCatalog } from '../../storage/catalog/knex-catalog.ts';
import { defer } from '../support/cleanup.ts';
import { digestOf } from '../support/content.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const LAYER = { digest: digestOf('a layer'), size: 7, location: 'somewhere' };

/** A catalog in which repositories have the layer, and mounting for somebody who may pull from some of them. */
async function mounting(
  t: TestContext,
  holders: readonly string[],
  mayPull: (repository: string) => boolean,
) {
  const catalog = await openSqliteCatalog({ file: join(await makeTempDir(t), 'catalog.sqlite') });
  defer(t, () => catalog.close());
  for (const name of holders) await catalog.blobs.link(name, LAYER);
  const access: Access = {
    open: false,
    standing: () => 'writer' as const,
    visible: () => ({ prefixes: [''], patterns: [], includes: mayPull }),
    allows: (_, scope) =>
      scope.type === 'repository' && scope.actions.includes('pull') && mayPull(scope.name),
  };
  const mount = (query: Readonly<Record<string, string | string[]>>) => {
    const ctx = { state: { identity: ANONYMOUS, origin: {} }, query } as unknown as RequestContext;
    return mountBlob(ctx, { access, catalog }, 'team/to');
  };
  return { mount, has: () => catalog.blobs.find('team/to', LAYER.digest) };
}

test('without a source the blob is found in any repository that the client may pull from', async (t) => {
  const holders = ['private/a', 'shared/base', 'private/z'];
  const { mount, has } = await mounting(t, holders, (name) => name === 'shared/base');
  assert.deepEqual(await mount({ mount: LAYER.digest }), LAYER);
  assert.deepEqual(await has(), LAYER);
});

test('what only other people may pull is not mounted, and looks like what is nowhere', async (t) => {
  const { mount, has } = await mounting(t, ['private/a', 'private/z'], (name) => name === 'team/to');
  for (const query of [
    { mount: LAYER.digest },
    { mount: LAYER.digest, from: 'private/a' },
    { mount: digestOf('nowhere') },
    { mount: digestOf('nowhere'), from: 'private/a' },
  ]) {
    assert.equal(await mount(query), undefined);
  }
  assert.equal(await has(), undefined);
});

test('a source that is named is the only one', async (t) => {
  const { mount } = await mounting(t, ['team/from'], () => true);
  for (const from of ['team/other', '', 'Bad', '..']) {
    assert.equal(await mount({ mount: LAYER.digest, from }), undefined, from);
  }
  assert.deepEqual(await mount({ mount: LAYER.digest, from: 'team/from' }), LAYER);
});

test('what is no digest is never an error', async (t) => {
  const { mount } = await mounting(t, ['team/from'], () => true);
  for (const text of ['', 'sha256:x', `md5:${'a'.repeat(32)}`]) {
    assert.equal(await mount({ mount: text }), undefined);
  }
  assert.equal(await mount({}), undefined);
});

test('over HTTP: 201 from wherever it is, for a sha512 too, and again where it is already; otherwise 202', async (t) => {
  const registry = await startInProcessRegistry(t);
  const digest = digestOf('a layer', 'sha512');
  const uploads = '/v2/team/to/blobs/uploads/';
  const absent = await registry.send('POST', `${uploads}?mount=${digest}`);
  assert.equal(absent.status, 202);
  await registry.send('POST', `/v2/team/from/blobs/uploads/?digest=${digest}`, { body: 'a layer' });
  for (let round = 0; round < 2; round += 1) {
    const mounted = await registry.send('POST', `${uploads}?mount=${digest}&digest-algorithm=sha512`);
    assert.equal(mounted.status, 201);
    assert.equal(mounted.headers['docker-content-digest'], digest);
    assert.equal(mounted.headers.location, `/v2/team/to/blobs/${digest}`);
  }
  assert.equal((await registry.send('GET', `/v2/team/to/blobs/${digest}`)).body.toString(), 'a layer');
});
