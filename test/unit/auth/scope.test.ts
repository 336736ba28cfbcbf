import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANONYMOUS, OPEN_ACCESS, RIGHTS_ACCESS } from '../../../auth/access/access.ts';
import { ALL_RIGHTS, NO_RIGHTS } from '../../../auth/access/rights.ts';
import { CATALOG_SCOPE, parseScope, repositoryScope } from '../../../auth/access/scope.ts';

test('scopes of repositories', () => {
  assert.deepEqual(parseScope('repository:team/app:pull,push'), repositoryScope('team/app', 'pull', 'push'));
  assert.deepEqual(parseScope('repository(plugin):app:pull'), repositoryScope('app', 'pull'));
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
  'repository:team/../app:pull',
  'repository:team/%2e%2e/app:pull',
  'repository:/app:pull',
  'repository:team//app:pull',
  'repository:app/:pull',
  'repository:Team/app:pull',
  'repository:team/*:pull',
  'repository:host:5000/app:pull',
  'repository:team/app\n:pull',
  'repository:team/app\0:pull',
  `repository:${'a'.repeat(256)}:pull`,
  'repository(plugin:app:pull',
  'Repository:app:pull',
]) {
  test(`${JSON.stringify(text.slice(0, 40))} is no scope`, () => {
    assert.equal(parseScope(text), undefined);
  });
}

test('who may do what', () => {
  const admin = { kind: 'user', name: 'admin', rights: ALL_RIGHTS, proof: { kind: 'password' } } as const;
  const other = { kind: 'user', name: 'bob', rights: NO_RIGHTS, proof: { kind: 'password' } } as const;
  for (const scope of [CATALOG_SCOPE, repositoryScope('app', 'pull'), repositoryScope('app', 'delete')]) {
    assert.equal(RIGHTS_ACCESS.allows(admin, scope), true);
    assert.equal(RIGHTS_ACCESS.allows(other, scope), false);
    assert.equal(RIGHTS_ACCESS.allows(ANONYMOUS, scope), false);
    assert.equal(OPEN_ACCESS.allows(ANONYMOUS, scope), true);
  }
});
