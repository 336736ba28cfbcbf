import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import { Container, type ContainerServices } from '../../../../runtime-agent/containers/container.ts';
import type { StoredContainer } from '../../../../runtime-agent/containers/container-table.ts';
import { sharedPaths } from '../../../../runtime-agent/oci-runner/run-paths.ts';

function makeContainer(services: Partial<ContainerServices> = {}): Container {
  const info = { id: 'a'.repeat(64), name: 'old', state: { status: 'created' } };
  return new Container(
    { container: info, run: undefined } as StoredContainer,
    {
      paths: sharedPaths({ dataDirectory: '/data', runDirectory: '/run' }),
      log: pino({ level: 'silent' }),
      ...services,
    } as ContainerServices,
  );
}

test('the lock of a container runs one task after the other, also after a failure', async () => {
  const container = makeContainer();
  const steps: string[] = [];
  const slow = container.lock(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    steps.push('slow');
    throw new Error('failed');
  });
  const next = container.lock(async () => steps.push('next'));
  await assert.rejects(slow, /failed/);
  await next;
  assert.deepEqual(steps, ['slow', 'next']);
});

test('a container that was removed no longer exists, and one that is being removed is not usable', () => {
  const container = makeContainer();
  container.checkUsable();
  container.change({ state: { status: 'removing' } });
  container.checkExists();
  assert.throws(() => container.checkUsable(), { code: 'conflict', message: /old is marked for removal/ });
  container.isRemoved = true;
  for (const check of [() => container.checkExists(), () => container.checkUsable()]) {
    assert.throws(check, { code: 'not-found', message: `No such container: ${container.id}` });
  }
});

test('a setting that cannot be written to the database does not change in memory', async () => {
  const updateSettings = async () => {
    throw new Error('disk full');
  };
  const table = { updateSettings } as unknown as ContainerServices['table'];
  const container = makeContainer({ table });
  await assert.rejects(container.changeSettings({ name: 'new' }), /disk full/);
  assert.equal(container.info.name, 'old');
});
