import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';

test('the receiver is down, the server is killed: every event comes, those of a repository in order', async () => {
  const registry = await startRegistry({ after }, { args: ['--webhook-private', 'on'] });
  const loopback = ['webhook', 'add', 'ci', 'http://127.0.0.1:1/', '--data', registry.dataDir] as const;
  const refused = await runBerth(...loopback);
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /127\.0\.0\.1 is not on the internet/);
  const add = await runBerth(...loopback, '--webhook-private', 'on');
  assert.equal(add.exitCode, 0, add.stderr);
  await runBerth('webhook', 'remove', 'ci', '--data', registry.dataDir);
  const receiver = await startWebhookReceiver({ after }, 'not looked at in this test');
  const own = ['--event', 'push', '--webhook-private', 'on'];
  await runBerth('webhook', 'add', 'ci', receiver.url, ...own, '--data', registry.dataDir);
  const client = createRegistryClient(registry.url);
  const pushed = new Map<string, string[]>();
  const push = async (repository: string, tag: string) => {
    await client.pushImage(repository, tag);
    pushed.set(repository, [...(pushed.get(repository) ?? []), tag]);
  };
  const pushEach = async (tags: readonly string[]) => {
    const repositories = ['team/a', 'team/b', 'team/c'];
    await Promise.all(
      repositories.map(async (repository) => {
        for (const tag of tags) await push(repository, tag);
      }),
    );
  };
  await pushEach(['1', '2']);
  await waitUntil('the first events have come', () => receiver.received.length >= 6);
  await receiver.stop();
  await pushEach(['3', '4']);
  await registry.kill();
  await registry.restart();
  await pushEach(['5', '6']);
  // Killed once more in the middle of telling.
  await receiver.start();
  await waitUntil('some more have come', () => receiver.received.length >= 8);
  await registry.kill();
  await registry.restart();
  await pushEach(['7']);
  const distinct = () => new Set(receiver.received.map(({ id }) => id)).size;
  await waitUntil('all have come', () => distinct() >= 21);
  for (const [repository, tags] of pushed) {
    const told = receiver.received
      .filter(({ source }) => source === `/v2/${repository}`)
      .map(({ subject }) => subject);
    // What was sent and not noted before the kill comes again, at once.
    assert.deepEqual(
      told.filter((tag, index) => tag !== told[index - 1]),
      tags,
    );
  }
});
