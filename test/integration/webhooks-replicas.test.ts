import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { startReplicas } from '../support/replicas.ts';
import { waitUntil } from '../support/wait-until.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';

test('of two replicas one tells at a time, and the other one goes on when it is killed', async () => {
  const replicas = await startReplicas({ after }, { count: 2, args: ['--webhook-private', 'on'] });
  const receiver = await startWebhookReceiver({ after }, 'not looked at in this test');
  const berth = (...args: readonly string[]) => runBerth(...args, ...replicas.where);
  const added = await berth(
    'webhook',
    'add',
    'ci',
    receiver.url,
    '--event',
    'push',
    '--webhook-private',
    'on',
  );
  assert.equal(added.exitCode, 0, added.stderr);
  const clients = replicas.servers.map(({ url }) => createRegistryClient(url));
  const pushed = new Map<string, string[]>();
  /** Tags of several repositories at once, those of each one after the other and at both replicas in turns. */
  const push = (from: number, to: number, servers = clients) =>
    Promise.all(
      ['team/a', 'team/b', 'team/c'].map(async (repository) => {
        for (let tag = from; tag <= to; tag++) {
          await servers[tag % servers.length]?.pushImage(repository, `${tag}`);
          pushed.set(repository, [...(pushed.get(repository) ?? []), `${tag}`]);
        }
      }),
    );
  const ids = () => receiver.received.map(({ id }) => id);
  await push(1, 4);
  await waitUntil('the first events have come', () => ids().length >= 12);
  assert.equal(new Set(ids()).size, ids().length, 'nothing was told by both');

  await receiver.stop();
  await push(5, 6);
  await receiver.start();
  await waitUntil('some more have come', () => ids().length >= 14);
  // Whichever of them tells: the other one takes over, and then it is the first one's turn again.
  for (const [index, server] of replicas.servers.entries()) {
    await server.kill();
    await push(7 + index, 7 + index, [clients[1 - index] ?? assert.fail()]);
    const expected = 21 + 3 * index;
    await waitUntil('all have come from the other one', () => new Set(ids()).size >= expected);
    await server.restart();
  }
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
