import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import pino from 'pino';
import type { AppStore } from '../../../../fleet/app-store.ts';
import type { App } from '../../../../fleet/release.ts';
import { FollowPushes } from '../../../../server/fleet/follow-pushes.ts';

test('a release is by whoever pushed, also when a comparison sees the tag move first', async (t) => {
  const app = { name: 'team/web', follow: 'following' } as App;
  const events = new EventEmitter();
  const apps = {
    list: async () => {
      events.emit('compared');
      return [app];
    },
    followers: async () => [{ name: app.name, tags: 1 }],
  } as unknown as AppStore;
  const followTags = async (name: string, pushed: { readonly by: string }) => {
    events.emit('released', { name, by: pushed.by });
    return undefined;
  };
  const follow = new FollowPushes(apps, { followTags }, pino({ enabled: false }));
  const end = new AbortController();
  const compared = once(events, 'compared');
  const released = once(events, 'released');
  const kept = follow.keep(end.signal);
  const alive = setInterval(() => undefined, 1000);
  t.after(async () => {
    clearInterval(alive);
    end.abort();
    await kept;
  });
  await compared;
  follow.pushed({ repository: 'team/web', tag: 'main', by: 'alice' });
  assert.deepEqual(await released, [{ name: 'team/web', by: 'alice' }]);
});
