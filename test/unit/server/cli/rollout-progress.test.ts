import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCodeOf, RolloutProgress, rolloutLines } from '../../../../server/cli/fleet/rollout-progress.ts';
import type { RolloutHostView, RolloutView } from '../../../../server/cli/fleet/views.ts';

const instance = (health: 'starting' | 'healthy', number: number, release = 12) => ({
  service: 'web',
  instance: number,
  release,
  container: 'c'.repeat(64),
  image: `sha256:${'a'.repeat(64)}` as const,
  state: 'running' as const,
  health,
  restarts: 0,
});

const online = (host: string): RolloutHostView => ({
  host,
  state: 'online',
  wanted: 12,
  phase: null,
  release: null,
  reason: null,
  instances: [],
});

const ROLLING: RolloutView = {
  release: 12,
  state: 'rolling',
  revision: 'c',
  reason: null,
  hosts: [
    {
      ...online('web1'),
      phase: 'starting',
      release: 12,
      instances: [instance('healthy', 1), instance('starting', 2), instance('healthy', 1, 11)],
    },
    { ...online('web2'), phase: 'healthy', release: 11, instances: [instance('healthy', 3, 11)] },
    online('web3'),
    { ...online('web4'), state: 'offline', phase: 'healthy', release: 11 },
  ],
};

test('a rollout is a line, and one for each host with its services', () => {
  assert.deepEqual(rolloutLines('team/shop', ROLLING), [
    'team/shop: release 12 is rolling out',
    '  web1: starting, web 1/2',
    '  web2: on release 11',
    '  web3: waiting',
    '  web4: offline, gets release 12 when it comes back',
  ]);
});

test('the reason of a failure is told, and does nothing to a terminal', () => {
  const failed: RolloutView = {
    ...ROLLING,
    state: 'rolled back',
    reason: 'web1: web exited\x1b[2J',
    hosts: [{ ...online('web1'), phase: 'failed', release: 12, reason: 'web exited with 1' }],
  };
  assert.deepEqual(rolloutLines('team/shop', failed), [
    'team/shop: release 12 failed and was rolled back: web1: web exited\\u001b[2J',
    '  web1: failed: web exited with 1',
  ]);
});

test('of more hosts than a terminal has lines, those that are under way are shown', () => {
  const hosts = Array.from({ length: 50 }, (_, index) => ({
    ...online(`web${index}`),
    phase: index === 40 ? ('failed' as const) : ('healthy' as const),
    release: 12,
  }));
  const lines = rolloutLines('team/shop', { ...ROLLING, hosts }, 5);
  assert.equal(lines.length, 6);
  assert.equal(lines[1], '  web40: failed');
  assert.equal(lines.at(-1), '  … and 46 more hosts');
});

test('each end has its exit code', () => {
  const ends = ['done', 'rolled back', 'failed', 'paused', 'rollback failed', 'superseded'] as const;
  assert.deepEqual(ends.map(exitCodeOf), [0, 3, 3, 3, 4, 1]);
  assert.deepEqual([exitCodeOf('rolling'), exitCodeOf('rolling back')], [undefined, undefined]);
});

test('a terminal sees a block that is drawn again; elsewhere each change is a line', () => {
  const done: RolloutView = {
    ...ROLLING,
    state: 'done',
    hosts: [{ ...online('web1'), phase: 'healthy', release: 12 }],
  };
  const written = (isTTY: boolean) => {
    let text = '';
    const progress = new RolloutProgress('shop', {
      isTTY,
      columns: 80,
      rows: 24,
      write: (more) => (text += more),
    });
    for (const view of [ROLLING, ROLLING, done]) progress.show(view);
    return text;
  };
  assert.deepEqual(written(false).split('\n'), [
    'shop: release 12 is rolling out',
    'web1: starting, web 1/2',
    'web2: on release 11',
    'web3: waiting',
    'web4: offline, gets release 12 when it comes back',
    'shop: release 12 is healthy',
    'web1: healthy',
    '',
  ]);
  const [, second = '', third = ''] = written(true).split('\x1b[5A\r\x1b[J');
  assert.match(second, /^shop: release 12 is rolling out\n/);
  assert.equal(third, 'shop: release 12 is healthy\n  web1: healthy\n');
});
