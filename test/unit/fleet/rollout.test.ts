import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { advance } from '../../../fleet/advance-rollout.ts';
import { ABSENCE } from '../../../fleet/observe-host.ts';
import type { Placement } from '../../../fleet/release.ts';
import type { AppReport } from '../../../fleet/report.ts';
import {
  hasEnded,
  type Intent,
  intentOf,
  type Rollout,
  type RolloutHost,
  type RolloutStart,
  startRollout,
} from '../../../fleet/rollout.ts';
import type { AppSpec, UpdatePolicy } from '../../../fleet/service.ts';
import { appOf } from '../../support/fleet-samples.ts';
import { fc } from '../../support/properties.ts';

const APP = 'team/shop';
const TIMEOUT = 60_000;
const MONITOR = 5000;
const app = await appOf('services: {web: {image: web}}');
const withJob = await appOf(
  'services: {web: {image: w, depends_on: {init: {condition: service_completed_successfully}}}, init: {image: i}}',
);

function withPolicy(spec: AppSpec, update: Partial<UpdatePolicy>): AppSpec {
  return {
    ...spec,
    services: spec.services.map((one) => ({ ...one, update: { ...one.update, ...update } })),
  };
}

function on(ids: readonly string[]): readonly Placement[] {
  return ids.map((host, index) => ({ service: 'web', host, instances: [index + 1] }));
}

function host(id: string, change: Partial<RolloutHost> = {}): RolloutHost {
  return { id, name: id, online: true, seenAt: 0, ...change };
}

function report(release: number, attempt: number, phase: AppReport['phase'], reason?: string): AppReport {
  return {
    app: APP,
    release,
    attempt,
    phase,
    ...(reason !== undefined && { reason }),
    instances: [],
    jobs: {},
    prefetched: true,
  };
}

function start(ids: readonly string[], change: Partial<RolloutStart> = {}): Rollout {
  return startRollout({
    app: APP,
    release: 2,
    current: 1,
    kind: 'release',
    placements: on(ids),
    currentPlacements: on(ids),
    timeout: TIMEOUT,
    spec: app,
    hosts: ids.map((id) => host(id)),
    lastAttempt: 1,
    jobs: true,
    atOnce: false,
    now: 0,
    ...change,
  });
}

/** Each host with the report that it runs what it was told. */
function healthy(rollout: Rollout, ids: readonly string[]): readonly RolloutHost[] {
  return ids.map((id) => {
    const intent = intentOf(rollout, id);
    return host(
      id,
      intent.kind === 'run' ? { report: report(intent.release, intent.attempt, 'healthy') } : {},
    );
  });
}

describe('a rollout', () => {
  const ten = Array.from({ length: 10 }, (_, index) => `h${index}`);

  it('goes to one host, a quarter, the rest, and is done once all have watched', () => {
    let rollout = start(ten);
    const told = () => ten.filter((id) => intentOf(rollout, id).kind === 'run').length;
    assert.equal(told(), 1);
    assert.deepEqual(intentOf(rollout, 'h9'), { kind: 'keep', prefetch: true });
    for (const count of [4, 10]) {
      rollout = advance(rollout, healthy(rollout, ten), 1000);
      assert.equal(told(), count);
    }
    rollout = advance(rollout, healthy(rollout, ten), 2000);
    assert.equal(rollout.phase, 'rolling');
    assert.equal(advance(rollout, healthy(rollout, ten), 2000 + MONITOR + 1000).phase, 'done');
  });

  it('goes on while old instances of a wave stop, and ends when all have', () => {
    const draining = (rollout: Rollout) =>
      healthy(rollout, ten).map((one) =>
        one.report === undefined ? one : host(one.id, { report: { ...one.report, phase: 'draining' } }),
      );
    let rollout = start(ten);
    for (const wave of [1, 2]) {
      rollout = advance(rollout, draining(rollout), 1000);
      assert.equal(rollout.wave, wave);
    }
    assert.equal(advance(rollout, draining(rollout), 50_000).phase, 'rolling');
    rollout = advance(rollout, healthy(rollout, ten), 50_000);
    assert.equal(advance(rollout, healthy(rollout, ten), 60_000).phase, 'done');
  });

  it('ends at once for a release that was healthy before', () => {
    const rollout = start(ten, { atOnce: true, proven: true });
    assert.deepEqual(rollout.waves, [ten]);
    assert.deepEqual(intentOf(rollout, 'h0'), {
      ...{ kind: 'run', release: 2, attempt: 2, jobs: false, proven: true },
    });
    assert.equal(advance(rollout, healthy(rollout, ten), 1000).phase, 'done');
  });

  it('returns all hosts when one of an earlier wave fails while it watches', () => {
    let rollout = start(ten);
    rollout = advance(rollout, healthy(rollout, ten), 1000);
    const hosts = healthy(rollout, ten).with(0, host('h0', { report: report(2, 2, 'failed', 'web ended') }));
    rollout = advance(rollout, hosts, 2000);
    assert.equal(rollout.phase, 'rolling back');
    assert.equal(rollout.reason, 'h0: web ended');
    assert.deepEqual(intentOf(rollout, 'h9'), { kind: 'run', release: 1, attempt: 3, jobs: false });
    assert.equal(advance(rollout, hosts, 3000).phase, 'rolling back');
    assert.equal(advance(rollout, healthy(rollout, ten), 3000).phase, 'rolled back');
  });

  it('does not say rolled back when a host is not healthy on the release before', () => {
    let rollout = start(['a', 'b']);
    rollout = advance(rollout, [host('a', { report: report(2, 2, 'failed') }), host('b')], 1);
    assert.equal(rollout.phase, 'rolling back');
    const half = [
      host('a', { report: report(1, 3, 'healthy') }),
      host('b', { report: report(1, 1, 'healthy') }),
    ];
    assert.equal(advance(rollout, half, 2).phase, 'rolling back');
    const overdue = advance(rollout, half, TIMEOUT * 2);
    assert.equal(overdue.phase, 'rollback failed');
    assert.match(overdue.reason ?? '', /then release 1 failed too: b: release 1 was not healthy within 60 s/);
    const offline = [half[0] ?? host('a'), host('b', { online: false })];
    assert.equal(advance(rollout, offline, ABSENCE + 10).phase, 'rolled back');
  });

  it('gives a host the time in which its old instances drain and stop', () => {
    const grace = 3 * TIMEOUT;
    const spec = { ...app, services: app.services.map((one) => ({ ...one, stopGracePeriod: grace })) };
    const rollout = start(['a'], { spec });
    const draining = [host('a', { report: report(2, 2, 'draining') })];
    assert.equal(advance(rollout, draining, TIMEOUT + grace).phase, 'rolling');
    assert.equal(advance(rollout, draining, TIMEOUT + 2 * grace + 60_000).phase, 'rolling back');
    assert.equal(advance(rollout, [host('a')], TIMEOUT + grace).phase, 'rolling back');
  });

  it('does not wait for hosts that were offline before, and tells them in the end', () => {
    const hosts = (rollout: Rollout) => [...healthy(rollout, ['a']), host('b', { online: false })];
    let rollout = start(['a', 'b'], { hosts: [host('a'), host('b', { online: false })], now: 100_000 });
    for (const now of [100_001, 100_002, 110_000]) rollout = advance(rollout, hosts(rollout), now);
    assert.equal(rollout.phase, 'done');
    assert.equal(intentOf(rollout, 'b').kind, 'run');
  });

  it('waits for a host that went offline half-way, until the deadline of its wave', () => {
    const rollout = start(['a', 'b']);
    const halfway = (now: number) => [
      host('a', { online: false, seenAt: 1000, report: report(2, 2, 'starting') }),
      host('b', { seenAt: now }),
    ];
    assert.equal(advance(rollout, halfway(50_000), 50_000).wave, 0);
    const next = advance(rollout, halfway(100_000), 100_000);
    assert.equal(next.wave, 1);
    assert.deepEqual(next.failures, []);
  });

  it('waits for its hosts when the registry has just started', () => {
    const rollout = start(['a', 'b']);
    const offline = ['a', 'b'].map((id) => host(id, { online: false }));
    const one = [host('b'), host('a', { online: false })];
    assert.equal(advance(rollout, offline, 40_000, 39_000).wave, 0);
    assert.equal(advance({ ...rollout, since: 30_000 }, one, 40_000, 39_000).wave, 0);
    assert.equal(advance({ ...rollout, since: 30_000 }, one, 40_000 + ABSENCE, 39_000).wave, 1);
  });

  it('gives hosts time to return when the registry was away for longer than a host has', () => {
    const back = 600_000;
    const rollout = start(['a', 'b']);
    const stale = ['a', 'b'].map((id) => host(id, { report: report(1, 1, 'healthy') }));
    for (const online of [true, false]) {
      const seen = stale.map((one) => ({ ...one, online }));
      assert.equal(advance(rollout, seen, back + 60_000, back), rollout);
      const again = { ...rollout, phase: 'rolling back', reason: 'it crashed' } as const;
      assert.equal(advance(again, seen, back + 60_000, back), again);
    }
    assert.equal(advance(rollout, healthy(rollout, ['a', 'b']), back + 60_000, back).wave, 1);
    assert.equal(advance(rollout, stale, back + 80_000, back).phase, 'rolling back');
  });

  it('tries another host first when the first one vanished', () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    const hosts = ids.map((id) => host(id, { online: id !== 'a' && id !== 'b' }));
    const next = advance({ ...start(ids), since: 1 }, hosts, ABSENCE + 2);
    assert.deepEqual(next.waves.slice(0, 2), [['a'], ['c']]);
  });

  it('begins on no other host before the jobs are over', () => {
    const placements = [...on(['a', 'b']), { service: 'init', host: 'b', instances: [1] }];
    let rollout = start(['a', 'b'], { spec: withJob, placements });
    assert.deepEqual(rollout.waves, [['b'], ['a']]);
    const offline = [host('a'), host('b', { online: false })];
    assert.equal(advance(rollout, offline, 50_000).wave, 0);
    rollout = advance(rollout, offline, 80_000);
    assert.equal(rollout.phase, 'rolling back');
    assert.match(rollout.reason ?? '', /b, which runs the jobs, was offline/);
    assert.match(
      advance(start(['a', 'b'], { spec: withJob, placements }), [host('a')], 1).reason ?? '',
      /the host that runs the jobs was removed/,
    );
  });

  it('takes the app off hosts that a superseded release has brought it to', () => {
    const hosts = [host('a'), host('b', { report: report(2, 2, 'starting') })];
    const rollout = start(['a'], { release: 3, hosts });
    assert.deepEqual(rollout.waves, [['a'], ['b']]);
    assert.deepEqual(intentOf({ ...rollout, wave: 1 }, 'b'), { kind: 'nothing' });
  });

  it('pauses where its policy says so', () => {
    const rollout = start(['a', 'b'], { spec: withPolicy(app, { failureAction: 'pause' }) });
    const paused = advance(rollout, [host('a', { report: report(2, 2, 'failed') }), host('b')], 1);
    assert.equal(paused.phase, 'paused');
    assert.equal(intentOf(paused, 'b').kind, 'keep');
  });
});

type Behaviour = 'healthy' | 'fails' | 'hangs' | 'ends while watched';

/** Seconds. */
interface Outage {
  readonly from: number;
  readonly length: number;
}

/** A host that acts on its target as an agent does, second by second. */
class SimulatedHost {
  readonly id: string;
  readonly #behaviour: Behaviour;
  readonly #work: number;
  online = true;
  seenAt = 0;
  /** The release that runs here; 0: none. */
  running: number;
  #before: number;
  #target: { readonly release: number; readonly attempt: number; readonly since: number } | undefined;
  #report: AppReport | undefined;
  #sent: AppReport | undefined;

  constructor(id: string, current: number, { behaviour, work }: { behaviour: Behaviour; work: number }) {
    this.id = id;
    this.#behaviour = behaviour;
    this.#work = work;
    this.running = current;
    this.#before = current;
    this.#report = current === 0 ? undefined : report(current, 1, 'healthy');
    this.#sent = this.#report;
  }

  get seen(): RolloutHost {
    const { id, online, seenAt } = this;
    return { id, name: id, online, seenAt, ...(this.#sent !== undefined && { report: this.#sent }) };
  }

  act(intent: Intent, now: number): void {
    if (this.online) {
      this.seenAt = now;
      if (intent.kind === 'nothing') {
        this.#target = undefined;
        this.running = 0;
        this.#report = undefined;
      }
      const { attempt = 0, release = 0 } = this.#target ?? {};
      if (intent.kind === 'run' && (intent.attempt !== attempt || intent.release !== release)) {
        this.#before = this.running;
        this.#target = { release: intent.release, attempt: intent.attempt, since: now };
        this.#report = report(intent.release, intent.attempt, 'starting');
      }
    }
    this.#progress(now);
    if (this.online) this.#sent = this.#report;
  }

  #progress(now: number): void {
    if (this.#target === undefined) return;
    const { release, attempt, since } = this.#target;
    const age = now - since;
    const behaviour = release === 2 ? this.#behaviour : 'healthy';
    if (this.#report?.phase === 'starting' && age >= this.#work) {
      if (behaviour === 'fails' || (behaviour === 'hangs' && age >= TIMEOUT)) {
        this.running = this.#before;
        this.#report = report(release, attempt, 'failed', behaviour);
      } else if (behaviour !== 'hangs') {
        this.running = release;
        this.#report = report(release, attempt, 'healthy');
      }
    }
    if (this.#report?.phase === 'healthy' && behaviour === 'ends while watched' && age >= this.#work + 3000) {
      this.running = this.#before;
      this.#report = report(release, attempt, 'failed', behaviour);
    }
  }
}

describe('a simulated rollout', () => {
  const behaviours = fc.oneof(
    { weight: 5, arbitrary: fc.constant<Behaviour>('healthy') },
    { weight: 1, arbitrary: fc.constantFrom<Behaviour>('fails', 'hangs', 'ends while watched') },
  );
  const hostsOf = fc.array(
    fc.record({
      behaviour: behaviours,
      work: fc.constantFrom(0, 1000, 4000, 20_000),
      outages: fc.oneof(
        { weight: 3, arbitrary: fc.constant<readonly Outage[]>([]) },
        {
          weight: 1,
          arbitrary: fc.array(fc.record({ from: fc.nat(60), length: fc.constantFrom(5, 10, 40, 600) }), {
            minLength: 1,
            maxLength: 2,
          }),
        },
      ),
    }),
    { minLength: 1, maxLength: 6 },
  );
  const policies = fc.record({
    parallelism: fc.constantFrom(undefined, 0, 1, 2),
    delay: fc.constantFrom(0, 3000),
    maxFailureRatio: fc.constantFrom(0, 0, 0.3),
    failureAction: fc.constantFrom<UpdatePolicy['failureAction']>(
      'rollback',
      'rollback',
      'pause',
      'continue',
    ),
  });

  it('always ends, in one release everywhere, and says what is true', () => {
    const ends = new Map<string, number>();
    fc.assert(
      fc.property(
        hostsOf,
        policies,
        fc.record({ isFirst: fc.boolean(), hasJob: fc.boolean(), atOnce: fc.boolean() }),
        (machines, { parallelism, ...policy }, { isFirst, hasJob, atOnce }) => {
          const current = isFirst ? 0 : 1;
          const hosts = machines.map((machine, index) => new SimulatedHost(`h${index}`, current, machine));
          const ids = hosts.map(({ id }) => id);
          const spec = withPolicy(hasJob ? withJob : app, {
            ...policy,
            ...(parallelism !== undefined && { parallelism }),
          });
          const jobs = hasJob ? [{ service: 'init', host: ids.at(-1) ?? '', instances: [1] }] : [];
          const { current: _, ...first } = start(ids, { spec, atOnce, placements: [...on(ids), ...jobs] });
          let rollout: Rollout = isFirst ? { ...first, currentPlacements: [] } : { ...first, current };
          let now = 0;
          const step = () => {
            for (const [index, one] of hosts.entries()) {
              const outages = hasEnded(rollout) ? [] : (machines[index]?.outages ?? []);
              one.online = !outages.some(
                ({ from, length }) => now >= from * 1000 && now < (from + length) * 1000,
              );
              one.act(intentOf(rollout, one.id), now);
            }
            now += 1000;
          };
          while (!hasEnded(rollout)) {
            assert.ok(now < 3_600_000, `after an hour it is ${rollout.phase}, wave ${rollout.wave}`);
            step();
            const seen = hosts.map((one) => one.seen);
            for (
              let next = advance(rollout, seen, now);
              next !== rollout;
              next = advance(rollout, seen, now)
            ) {
              const left = next.wave > rollout.wave ? (rollout.waves[rollout.wave] ?? []) : [];
              for (const one of hosts.filter(({ id, online }) => online && left.includes(id))) {
                const isTolerated = next.failures.some((failure) => failure.host === one.id);
                assert.ok(one.running === 2 || isTolerated, `${one.id} was left before it was healthy`);
              }
              rollout = next;
            }
            if (rollout.phase === 'rolled back') {
              for (const { online, report: said } of seen) {
                if (!online) continue;
                assert.deepEqual(
                  [said?.release, said?.attempt, said?.phase],
                  [1, rollout.attempt, 'healthy'],
                );
              }
            }
          }
          ends.set(rollout.phase, (ends.get(rollout.phase) ?? 0) + 1);
          const always = machines.map(({ outages }) => outages.length === 0);
          // The registry waits no longer; all hosts come back and act on what they were told.
          for (let index = 0; index < 120; index += 1) step();
          const isStrict = policy.maxFailureRatio === 0 && policy.failureAction !== 'continue';
          for (const [index, one] of hosts.entries()) {
            const behaviour = machines[index]?.behaviour;
            if (rollout.phase === 'done') {
              if (isStrict && always[index]) assert.equal(behaviour, 'healthy');
              if (behaviour === 'healthy') assert.equal(one.running, 2);
            } else if (rollout.phase !== 'paused') assert.equal(one.running, current);
          }
          if (machines.every(({ behaviour, outages }) => behaviour === 'healthy' && outages.length === 0)) {
            assert.equal(rollout.phase, 'done');
          }
        },
      ),
      { numRuns: Number(process.env.BERTH_ROLLOUTS ?? 800) },
    );
    for (const phase of ['done', 'rolled back', 'paused', 'failed'])
      assert.ok((ends.get(phase) ?? 0) > 0, phase);
  });
});
