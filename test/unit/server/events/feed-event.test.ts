import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDigest } from '../../../../oci/digest.ts';
import { feedEventOf } from '../../../../server/events/feed-event.ts';
import type { AuditEvent } from '../../../../storage/catalog/audit-catalog.ts';

const digest = parseDigest(`sha256:${'0'.repeat(64)}`);
const entryOf = (entry: Partial<AuditEvent>): AuditEvent => ({
  id: '7',
  at: new Date(0),
  who: 'ada',
  address: '192.0.2.1',
  action: 'manage',
  outcome: 'done',
  count: 1,
  ...entry,
});
const shown = (entry: Partial<AuditEvent>) => {
  const event = feedEventOf(entryOf(entry));
  if (event === undefined) return undefined;
  const { at, by, ...data } = event.data;
  assert.deepEqual([at, by], ['1970-01-01T00:00:00.000Z', 'ada']);
  const { kind } = event.audience;
  return [event.name, 'name' in event.audience ? `${kind} ${event.audience.name}` : kind, data];
};

test('images: manifests and tags, and no blobs, mounts and refusals', () => {
  const image = { repository: 'team/app', digest } as const;
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const of = 'repository team/app';
  assert.deepEqual(shown({ ...image, action: 'push', mediaType, tag: '1', size: 3 }), [
    ...['push', of, { ...image, tag: '1', mediaType, size: 3 }],
  ]);
  assert.deepEqual(shown({ ...image, action: 'push', mediaType, tag: '1', detail: 'restored' }), [
    ...['restore', of, { ...image, tag: '1', mediaType }],
  ]);
  assert.deepEqual(shown({ ...image, action: 'delete', tag: '1' }), ['delete', of, { ...image, tag: '1' }]);
  assert.deepEqual(shown({ ...image, action: 'delete', mediaType }), ['delete', of, { ...image, mediaType }]);
  for (const entry of [
    { ...image, action: 'push', size: 3 },
    { ...image, action: 'delete' },
    { ...image, action: 'mount', size: 3 },
    { ...image, action: 'push', mediaType, outcome: 'denied' },
    { action: 'login', detail: 'POST /auth/password' },
    { ...image, action: 'pull', outcome: 'unauthorized' },
  ] as const) {
    assert.equal(shown(entry), undefined, JSON.stringify(entry));
  }
});

test('changes: of apps, rollouts and hosts to their readers, and all others to administrators', () => {
  const app = 'team/shop';
  const of = `app ${app}`;
  for (const [entry, expected] of [
    ['POST /api/v1/apps/team%2Fshop/releases {"follow":true}', ['app', of, { app, change: 'deploy' }]],
    ['POST /api/v1/apps/team%2Fshop/releases {"dryRun":true}', undefined],
    [
      'POST /p/api/v1/apps/team%2Fshop/releases {"on":{"a":"\\"dryRun\\":true"}}',
      ['app', of, { app, change: 'deploy' }],
    ],
    ['PUT /api/v1/apps/team%2Fshop/secrets/key {}', ['app', of, { app, change: 'secrets' }]],
    ['DELETE /api/v1/apps/team%2Fshop', ['app', of, { app, change: 'remove' }]],
    ['PATCH /api/v1/hosts/web1 {"draining":true}', ['host', 'hosts', { host: 'web1', change: 'change' }]],
    ['DELETE /api/v1/hosts/web1', ['host', 'hosts', { host: 'web1', change: 'remove' }]],
    ['berth host rm web1', ['host', 'hosts', { host: 'web1', change: 'remove' }]],
    ['the host web1 joined {"id":"x"}', ['host', 'hosts', { host: 'web1', change: 'join' }]],
  ] as const) {
    assert.deepEqual(shown({ detail: entry }), expected, entry);
  }
  assert.deepEqual(
    shown({ repository: app, detail: `release 3 of ${app} is rolled back: web1: it\nfailed` }),
    [...['rollout', of, { app, release: 3, state: 'rolled back', reason: 'web1: it\nfailed' }]],
  );
  assert.deepEqual(shown({ repository: app, detail: `release 3 of ${app} begins: a push of team/web:1` }), [
    ...['app', of, { app, change: 'push' }],
  ]);
  const collected = 'garbage collection deleted blobs: 3; bytes: 10';
  assert.deepEqual(shown({ detail: collected }), ['garbage', 'administrators', { change: collected }]);
  for (const detail of [
    'POST /api/v1/users {"name":"x /api/v1/apps/team%2Fshop"}',
    'POST /api/v1/host-tokens {"labels":{}}',
    `release 3 of ${app} is done`,
    'logs of team/shop',
    '',
  ]) {
    assert.deepEqual(shown({ detail }), ['change', 'administrators', { change: detail }], detail);
  }
  assert.deepEqual(shown({ detail: 'DELETE /api/v1/hosts/%' }), [
    'host',
    'hosts',
    { host: '%', change: 'remove' },
  ]);
});
