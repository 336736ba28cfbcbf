import assert from 'node:assert/strict';
import test from 'node:test';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { loadIntoDocker } from '../support/load-into-docker.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };
const adminPassword = 'a pässword: with everything';

test('docker logs in as admin, pushes and pulls; logged out it may do neither', options, async (t) => {
  const registry = await startRegistry(t, { adminPassword });
  const { docker } = await startDockerd(t);
  const reference = `${registry.host}/team/app:1`;
  await loadIntoDocker(t, { docker }, await makeBusyboxImage(await imageFolder(t)), reference);
  const login = ['login', '--username=admin', '--password-stdin', registry.host];

  const before = await docker(['push', reference], { expectExit: 1 });
  assert.match(before.stderr, /unauthorized|denied/);
  const entered = await docker(login, { input: adminPassword });
  assert.match(entered.stdout, /Login Succeeded/);
  await docker(['push', reference]);
  await docker(['rmi', reference]);
  await docker(['pull', reference]);

  await docker(['logout', registry.host]);
  await docker(['rmi', reference]);
  const after = await docker(['pull', reference], { expectExit: 1 });
  assert.match(after.stderr, /unauthorized|denied/);
});

test('docker is refused with a wrong password or another user', options, async (t) => {
  const registry = await startRegistry(t, { adminPassword });
  const { docker } = await startDockerd(t);
  for (const [user, password] of [
    ['admin', 'wrong'],
    ['somebody', adminPassword],
  ] as const) {
    const refused = await docker(['login', `--username=${user}`, '--password-stdin', registry.host], {
      input: password,
      expectExit: 1,
    });
    assert.match(refused.stderr, /unauthorized/i);
  }
});

test('the password of the first start holds after a restart', options, async (t) => {
  const registry = await startRegistry(t, { adminPassword });
  await registry.restart();
  const { docker } = await startDockerd(t);
  const login = ['login', '--username=admin', '--password-stdin', registry.host];
  assert.match((await docker(login, { input: adminPassword })).stdout, /Login Succeeded/);
});
