import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { runBerthIn } from '../support/berth-command.ts';
import { openEvents } from '../support/event-stream.ts';
import { openWorld } from '../support/fleet-world.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { waitUntil } from '../support/wait-until.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';

describe('copies and deletes of whole repositories', async () => {
  const world = await openWorld({ after }, ['fra-1'], { webhookPrivate: true });
  const { berth, env, registry } = world;
  const digest = await world.push('one');
  const expect = async (...args: readonly string[]) => {
    const { exitCode, stderr, stdout } = await berth(...args);
    assert.equal(exitCode, 0, `berth ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const refused = async (reason: RegExp, ...args: readonly string[]) => {
    const { exitCode, stderr, stdout } = await berth(...args);
    assert.deepEqual([exitCode, stdout], [1, ''], args.join(' '));
    assert.match(stderr, reason);
  };
  const set = async (method: string, path: string, body: object) =>
    assert.ok((await registry.manage(method, path, body)).ok, path);
  const repositories = async () =>
    JSON.parse(await expect('repo', 'ls', '--format', 'json')).map(
      ({ name }: { readonly name: string }) => name,
    );

  test('a copy counts against the quota of its target, and one that is too large leaves no tag', async () => {
    await set('PUT', '/quotas', { pattern: 'small/*', bytes: 100 });
    await set('PUT', '/quotas', { pattern: 'large/*', bytes: '1MiB' });
    await refused(/quota/, 'tag', 'cp', 'team/web:main', 'small/web');
    const left = await berth('tag', 'ls', 'small/web');
    assert.equal(left.stdout, '');
    await expect('tag', 'cp', 'team/web:main', 'large/web');
    const quotas = (await (await registry.manage('GET', '/quotas')).json()) as {
      readonly quotas: readonly { readonly pattern: string; readonly used: number }[];
    };
    const used = quotas.quotas.find(({ pattern }) => pattern === 'large/*')?.used ?? 0;
    const [{ size }] = JSON.parse(await expect('tag', 'ls', 'large/web', '--format', 'json'));
    assert.ok(used > 0 && used <= size, `${used} of ${size}`);
    await expect('repo', 'rm', 'large/web', '--yes');
  });

  test('protected and immutable tags: a copy and a delete need what a push and a delete need', async () => {
    await registry.addUser('writer', { 'team/*': 'reader', 'rules/*': 'writer' });
    await registry.addUser('keeper', { 'team/*': 'reader', 'rules/*': 'maintainer' });
    await set('PUT', '/tag-rules', { pattern: 'rules/*', tags: 'p*', kind: 'protected' });
    const as = (name: string, ...args: readonly string[]) =>
      runBerthIn({ ...env, BERTH_TOKEN: `${name}:${ADMIN_PASSWORD}` }, ...args);
    const copy = ['tag', 'cp', 'team/web:main', 'rules/web:p1'] as const;
    const denied = await as('writer', ...copy);
    assert.deepEqual([denied.exitCode, denied.stdout], [1, '']);
    assert.match(denied.stderr, /protected/);
    assert.equal((await as('keeper', ...copy)).exitCode, 0);
    assert.equal((await as('writer', 'tag', 'cp', 'team/web:main', 'rules/web:open')).exitCode, 0);
    const remove = ['repo', 'rm', 'rules/web', '--yes'] as const;
    assert.match((await as('writer', ...remove)).stderr, /not allowed to delete/);
    await set('PUT', '/tag-rules', { pattern: 'rules/*', tags: 'p*', kind: 'immutable' });
    const kept = await as('keeper', ...remove);
    assert.deepEqual([kept.exitCode, kept.stdout], [1, '']);
    assert.match(kept.stderr, /immutable/);
    const { status } = await registry.send('DELETE', '/api/v1/repositories/rules%2Fweb', {
      headers: { authorization: basicAuthorization('keeper', ADMIN_PASSWORD) },
    });
    assert.equal(status, 403, 'without the dry run that the command makes first');
    const tags = JSON.parse(await expect('tag', 'ls', 'rules/web', '--format', 'json'));
    assert.deepEqual(
      tags.map(({ name }: { readonly name: string }) => name),
      ['open', 'p1'],
    );
  });

  test('webhooks and the event stream tell of a copy as of a push, and of each tag that a delete takes', async (t) => {
    const receiver = await startWebhookReceiver(t, 'not looked at in this test');
    await set('POST', '/webhooks', {
      name: 'chat',
      url: receiver.url,
      events: ['push', 'delete', 'mount'],
      pattern: 'told/*',
    });
    const stream = await openEvents(t, registry.url, {
      authorization: basicAuthorization('admin', ADMIN_PASSWORD),
      query: '?repository=told/web',
    });
    await expect('tag', 'cp', 'team/web:main', 'told/web:1');
    await expect('tag', 'cp', 'told/web:1', 'told/web:2');
    await expect('repo', 'rm', 'told/web', '--yes');
    const streamed = () =>
      stream.events
        .filter(({ name }) => name === 'push' || name === 'delete')
        .map(({ data, name }) => `${name} ${data.tag ?? ''} ${data.digest}`);
    await waitUntil('the stream tells of the deletes', () =>
      ['1', '2', ''].every((tag) => streamed().includes(`delete ${tag} ${digest}`)),
    );
    assert.deepEqual(streamed().slice(0, 2), [`push 1 ${digest}`, `push 2 ${digest}`]);
    const told = (type: string) => receiver.received.filter((event) => event.type === `berth.${type}`);
    await waitUntil('the webhook tells of the deletes', () => told('delete').length >= 3);
    assert.deepEqual(
      told('push').map(({ subject }) => subject),
      ['1', '2'],
    );
    assert.equal(told('mount').length, 2, 'the configuration and the layer');
    assert.ok(receiver.received.every(({ source }) => source === '/v2/told/web'));
  });

  test('what a release runs stays, unless it is forced; a copy of it can go', async () => {
    assert.equal((await world.deploy()).status, 201);
    await world.ended();
    await expect('tag', 'cp', 'team/web:main', 'team/copy');
    const runs = /team\/shop/;
    await refused(runs, 'repo', 'rm', 'team/web', '--yes');
    await refused(runs, 'tag', 'rm', 'team/web:main');
    const dry = await berth('repo', 'rm', 'team/web', '--dry-run');
    assert.equal(dry.exitCode, 1);
    assert.equal((await registry.manage('DELETE', '/repositories/team%2Fweb')).status, 409);
    assert.match(dry.stdout, runs);
    assert.ok((await repositories()).includes('team/web'));
    await expect('repo', 'rm', 'team/copy', '--yes');
    assert.ok((await world.ps()).every(({ health }) => health === 'healthy'));
    await expect('repo', 'rm', 'team/web', '--yes', '--force');
    assert.ok(!(await repositories()).includes('team/web'));
  });
});
