import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADMIN_ACCESS, OPEN_ACCESS } from '../../../auth/access/access.ts';
import { ANONYMOUS } from '../../../auth/access/identity.ts';
import { CATALOG_SCOPE, parseScope, repositoryScope } from '../../../auth/access/scope.ts';

test('scopes of repositories', () => {
  assert.deepEqual(parseScope('repository:team/app:pull,push'), repositoryScope('team/app', 'pull', 'push'));
  assert.deepEqual(parseScope('repository:host:5000/app:pull'), repositoryScope('host:5000/app', 'pull'));
  assert.deepEqual(parseScope('repository:app:*'), repositoryScope('app', 'pull', 'push', 'delete'));
  assert.deepEqual(parseScope('repository:app:push,fly,push'), repositoryScope('app', 'push'));
});

test('the scope of the catalog', () => {
  assert.deepEqual(parseScope('registry:catalog:*'), CATALOG_SCOPE);
  assert.equal(parseScope('registry:catalog:pull'), undefined);
  assert.equal(parseScope('registry:users:*'), undefined);
});

for (const text of [
  '',
  ':',
  '::',
  'repository',
  'repository:app',
  'repository::pull',
  'repository:app:',
  'plugin:app:pull',
  ':app:pull',
]) {
  test(`"${text}" is no scope`, () => {
    assert.equal(parseScope(text), undefined);
  });
}

test('who may do what', () => {
  const admin = { kind: 'user', name: 'admin', admin: true } as const;
  const other = { kind: 'user', name: 'bob', admin: false } as const;
  for (const scope of [CATALOG_SCOPE, repositoryScope('app', 'pull'), repositoryScope('app', 'delete')]) {
    assert.equal(ADMIN_ACCESS.allows(admin, scope), true);
    assert.equal(ADMIN_ACCESS.allows(other, scope), false);
    assert.equal(ADMIN_ACCESS.allows(ANONYMOUS, scope), false);
    assert.equal(OPEN_ACCESS.allows(ANONYMOUS, scope), true);
  }
});
