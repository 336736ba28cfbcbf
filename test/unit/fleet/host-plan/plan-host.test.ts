import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HostStep, isUp, stepKey } from '../../../../fleet/host-plan/host-app.ts';
import { planHost } from '../../../../fleet/host-plan/plan-host.ts';
import type { PinnedImage, ServiceSpec } from '../../../../fleet/service.ts';
import type { AppTarget, ServiceTarget } from '../../../../fleet/target.ts';
import { appTarget, serviceSpec, serviceTarget } from '../../../support/fleet-targets.ts';
import { fc } from '../../../support/properties.ts';
import { SimulatedHost } from '../../../support/simulated-host.ts';

const ROUTE = {
  kind: 'http',
  host: 'shop.test',
  path: '/',
  port: 80,
  tls: { kind: 'none' },
} as const satisfies ServiceSpec['route'];
/** More than any plan here needs. */
const MANY = 500;

test('a first release fetches, runs the job, starts in the order of depends_on, and settles', () => {
  const host = new SimulatedHost();
  const db = service('db', 1);
  const migrate = service('migrate', 1, { dependsOn: [needs('db', 'healthy')] }, { job: true });
  const web = service('web', 1, {
    dependsOn: [needs('db', 'healthy'), needs('migrate', 'completed')],
    route: ROUTE,
  });
  host.setTarget(appTarget(1, [web, db, migrate]));
  assert.deepEqual(run(host), [
    ['pull /team/web@1', 'pull /team/db@1', 'pull /team/migrate@1', 'create-network default'],
    ['create db 1 team-shop-db-1'],
    ['start c1'],
    ['wait-healthy c1 db'],
    ['create migrate 1 team-shop-migrate-1'],
    ['start c2'],
    ['wait-job c2 migrate'],
    ['create web 1 team-shop-web-1'],
    ['start c3'],
    ['wait-healthy c3 web'],
    ['route c3'],
    ['settle watching'],
    ['watch c3 c1'],
  ]);
  assert.equal(planHost(host.app, host.target).phase, 'healthy');
});

test('an update starts the new instance first, and the old one is kept until it was watched', () => {
  const host = settled([service('web', 1, { route: ROUTE })]);
  host.setTarget(appTarget(2, [service('web', 2, { route: ROUTE })]));
  assert.deepEqual(run(host), [
    ['pull /team/web@2'],
    ['create web 1 team-shop-web-1-r2'],
    ['start c2'],
    ['wait-healthy c2 web'],
    ['route c2'],
    ['drain c1'],
    ['stop c1'],
    ['settle watching'],
    ['watch c2'],
    ['remove c1'],
    ['rename c2 team-shop-web-1'],
  ]);
});

test('a release that was healthy before is reached once requests are led to it, and the old one stops after that', () => {
  const host = settled([service('web', 1, { route: ROUTE })]);
  host.setTarget(appTarget(2, [service('web', 2, { route: ROUTE })], { proven: true }));
  run(host, (step) => step.kind === 'route');
  assert.equal(planHost(host.app, host.target).phase, 'starting');
  assert.deepEqual(
    run(host, (step) => step.kind === 'drain'),
    [['route c2'], ['settle done']],
  );
  assert.equal(planHost(host.app, host.target).phase, 'healthy');
  assert.deepEqual(run(host), [['drain c1'], ['stop c1'], ['remove c1'], ['rename c2 team-shop-web-1']]);
});

test('the old instance stops first only for a port, an exclusive volume or by order, and after the others', () => {
  const volumes = [{ name: 'data', exclusive: true, labels: {} }];
  const mounts = [
    { type: 'volume', volume: 'data', target: '/data', readOnly: false, noCopy: false },
  ] as const;
  const ports = [{ target: 80, published: 8080, protocol: 'tcp' }] as const;
  const stopFirst = { ...serviceSpec('x').update, order: 'stop-first' } as const;
  const release = (version: number) => [
    service('a-port', version, { ports }),
    service('b-volume', version, { mounts }),
    service('c-order', version, { update: stopFirst }),
    service('d-host', version, { networkMode: 'host' }),
    service('e-plain', version),
  ];
  const host = settled(release(1), { release: { volumes } });
  host.setTarget(appTarget(2, release(2), { release: { volumes } }));
  const done = run(host).flat();
  const at = (step: string) => done.indexOf(step);
  for (const [old, made] of [
    [1, 6],
    [2, 7],
    [3, 8],
    [4, 9],
  ] as const) {
    assert.ok(at(`stop c${old}`) < at(`start c${made}`), `c${old} stops before c${made} starts`);
    assert.ok(at(`stop c${old}`) > at('wait-healthy c10 e-plain'), `c${old} stops after e-plain is healthy`);
  }
  assert.ok(at('stop c5') > at('wait-healthy c10 e-plain'));
});

test('a failed attempt starts again what it stopped and removes what it made', () => {
  const ports = [{ target: 80, published: 8080, protocol: 'tcp' }] as const;
  const host = settled([service('web', 1, { ports, route: ROUTE })]);
  host.setTarget(appTarget(2, [service('web', 2, { ports, route: ROUTE })]));
  run(host, (step) => step.kind === 'wait-healthy');
  host.fail();
  assert.deepEqual(run(host), [
    ['stop c2'],
    ['start c1'],
    ['wait-healthy c1 web'],
    ['route c1'],
    ['remove c2'],
  ]);
  assert.equal(planHost(host.app, host.target).phase, 'failed');
});

test('an instance that ends while it is watched brings the one before back', () => {
  const host = settled([service('web', 1, { route: ROUTE })]);
  host.setTarget(appTarget(2, [service('web', 2, { route: ROUTE })]));
  run(host, (step) => step.kind === 'watch');
  host.fail();
  run(host);
  assert.deepEqual(
    host.app.containers.map(({ id, state, routed }) => ({ id, state, routed })),
    [{ id: 'c1', state: 'running', routed: true }],
  );
});

test('an instance that a failed attempt has left is not watched after the way back', () => {
  const ports = [{ target: 80, published: 8080, protocol: 'tcp' }] as const;
  const before = [service('web', 1, { ports })];
  const host = settled(before);
  host.setTarget(appTarget(2, [service('web', 2, { ports })]));
  run(host, (step) => step.kind === 'wait-healthy');
  host.fail();
  // The registry answers before the host is back.
  host.setTarget(appTarget(1, before, { attempt: 2 }));
  const steps = run(host);
  assert.deepEqual(
    steps.flat().filter((step) => step.startsWith('watch') && step.includes('c2')),
    [],
    JSON.stringify(steps),
  );
  assert.deepEqual(
    host.app.containers.map(({ id, state }) => ({ id, state })),
    [{ id: 'c1', state: 'running' }],
  );
});

test('an instance made of the same is kept, whichever release and attempt made it', () => {
  const host = settled([service('web', 1), service('db', 1)]);
  host.setTarget(appTarget(2, [service('web', 2), service('db', 1)]));
  run(host);
  assert.deepEqual(names(host), ['db r1', 'web r2']);
  host.setTarget(appTarget(2, [service('web', 2), service('db', 1)], { attempt: 2 }));
  assert.deepEqual(run(host), [['settle done']]);
});

test('an app without a target is taken off, its volumes stay', () => {
  const volumes = [{ name: 'data', exclusive: false, labels: {} }];
  const host = settled([service('web', 1, { route: ROUTE })], { release: { volumes } });
  host.setTarget(undefined);
  assert.deepEqual(run(host), [
    ['route '],
    ['drain c1'],
    ['stop c1'],
    ['remove c1'],
    ['remove-network default'],
  ]);
  assert.deepEqual([...host.app.volumes], ['data']);
  assert.equal(planHost(host.app, undefined).phase, 'stopped');
});

const arbitraryService = (name: string, others: readonly string[]) =>
  fc
    .record({
      version: fc.integer({ min: 1, max: 2 }),
      instances: fc.integer({ min: 1, max: 2 }),
      claim: fc.constantFrom('none', 'none', 'port', 'volume'),
      order: fc.constantFrom('start-first', 'start-first', 'stop-first'),
      dependsOn: fc.subarray([...others]),
      condition: fc.constantFrom('started', 'healthy'),
      hasRoute: fc.boolean(),
      isThere: fc.integer({ min: 0, max: 4 }).map((number) => number > 0),
    })
    .map(({ version, instances, claim, order, dependsOn, condition, hasRoute, isThere }) => {
      if (!isThere) return undefined;
      const shape: Partial<ServiceSpec> = {
        dependsOn: dependsOn.map((other) => needs(other, other === 'job' ? 'completed' : condition)),
        update: { ...serviceSpec(name).update, order },
        ...(hasRoute && { route: ROUTE }),
        ...(claim === 'port' && { ports: [{ target: 80, published: 8080, protocol: 'tcp' as const }] }),
        ...(claim === 'volume' && {
          mounts: [{ type: 'volume' as const, volume: 'data', target: '/d', readOnly: false, noCopy: false }],
        }),
      };
      const count = claim === 'none' ? instances : 1;
      const numbers = Array.from({ length: count }, (_, index) => index + 1);
      const key = JSON.stringify([claim, hasRoute]);
      return service(name, version, shape, { instances: numbers, hash: `${name}${version}${key}` });
    });

/** At most one service has each claim: others are refused by the placement. */
const arbitraryServices = fc
  .record({
    job: fc.boolean(),
    db: arbitraryService('db', []),
    web: arbitraryService('web', ['db', 'job']),
    api: arbitraryService('api', ['db', 'web']),
  })
  .map(({ job, db, web, api }) => {
    const taken = new Set<string>();
    const services = [db, web, api].flatMap((one) => {
      if (one === undefined) return [];
      const claim = one.spec.ports.length > 0 ? 'port' : one.spec.mounts.length > 0 ? 'volume' : '';
      if (claim !== '' && taken.has(claim)) return [];
      taken.add(claim);
      return [one];
    });
    return job ? [...services, service('job', 1, {}, { job: true })] : services;
  });

const release = { volumes: [{ name: 'data', exclusive: true, labels: {} }] };
/** Which step comes next, and whether it fails. */
const arbitraryChoices = fc.array(
  fc.record({ pick: fc.nat(20), fails: fc.integer({ min: 0, max: 15 }).map((number) => number === 0) }),
  { maxLength: 60 },
);

test('whatever the order of steps and wherever it fails, an app ends at its target or where it was', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ services: arbitraryServices, choices: arbitraryChoices, proven: fc.boolean() }), {
        minLength: 1,
        maxLength: 4,
      }),
      (rounds) => {
        const host = new SimulatedHost();
        let before: string | undefined;
        for (const [index, { services, choices, proven }] of rounds.entries()) {
          const target = appTarget(index + 1, services, { release, proven });
          host.setTarget(target);
          let failed = false;
          for (const { pick, fails } of choices) {
            const { steps } = planHost(host.app, target);
            if (steps.length === 0) break;
            const step = steps[pick % steps.length] as HostStep;
            if (fails && !failed && canFail(step)) {
              host.fail();
              failed = true;
            } else host.apply(step);
          }
          if (index < rounds.length - 1 && choices.length % 3 === 0) {
            // The next target comes before the end: what it goes back to is unknown to this test.
            const isMoving = host.app.outcome === 'working' || planHost(host.app, target).steps.length > 0;
            before = isMoving ? undefined : running(host);
            continue;
          }
          run(host);
          if (host.app.outcome === 'done') assertReached(host, target);
          else if (before !== undefined) assert.equal(running(host), before);
          const left = host.app.containers.filter((one) => !(isUp(one) || one.job || one.stopped));
          assert.deepEqual(left, []);
          before = running(host);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('a route that both releases have always leads to a running instance', () => {
  fc.assert(
    fc.property(arbitraryServices, arbitraryServices, arbitraryChoices, (first, second, choices) => {
      const host = new SimulatedHost();
      host.setTarget(appTarget(1, first, { release }));
      run(host);
      const free = ({ spec }: ServiceTarget) =>
        spec.route !== undefined &&
        spec.ports.length + spec.mounts.length === 0 &&
        spec.update.order === 'start-first';
      const shared = first.filter(
        (one) => free(one) && second.some((other) => other.spec.name === one.spec.name && free(other)),
      );
      host.setTarget(appTarget(2, second, { release }));
      const check = () => {
        for (const { spec } of shared) {
          const isServed = host.app.containers.some(
            (one) => one.service === spec.name && one.routed && isUp(one) && one.passed,
          );
          assert.ok(isServed, `nothing serves ${spec.name}`);
        }
      };
      for (const { pick, fails } of choices) {
        const { steps } = planHost(host.app, host.target);
        const step = steps[pick % steps.length];
        if (step === undefined) break;
        if (fails && host.app.outcome !== 'failed' && canFail(step)) host.fail();
        else host.apply(step);
        check();
      }
      run(host, () => false, check);
    }),
    { numRuns: 1000 },
  );
});

function service(
  name: string,
  version: number,
  spec: Partial<ServiceSpec> = {},
  changes: Partial<ServiceTarget> = {},
): ServiceTarget {
  const image = { repository: `team/${name}`, digest: `${version}` as PinnedImage['digest'] };
  return serviceTarget(serviceSpec(name, spec), image, changes);
}

function needs(name: string, condition: 'started' | 'healthy' | 'completed') {
  return { service: name, condition, required: true };
}

/** Does all steps of each plan until none is left or one is reached that `until` names. */
function run(
  host: SimulatedHost,
  until: (step: HostStep) => boolean = () => false,
  check: () => void = () => undefined,
): readonly (readonly string[])[] {
  const done: string[][] = [];
  for (let turn = 0; turn < MANY; turn += 1) {
    const { steps } = planHost(host.app, host.target);
    if (steps.length === 0 || steps.some(until)) return done;
    for (const step of steps) {
      host.apply(step);
      check();
    }
    done.push(steps.map(stepKey));
  }
  throw new Error(`the plan does not end: ${JSON.stringify(done.slice(-3))}`);
}

function settled(services: readonly ServiceTarget[], changes = {}): SimulatedHost {
  const host = new SimulatedHost();
  host.setTarget(appTarget(1, services, changes));
  run(host);
  return host;
}

function names(host: SimulatedHost): readonly string[] {
  return host.app.containers.map((one) => `${one.service} r${one.release}`).sort();
}

function canFail({ kind }: HostStep): boolean {
  return ['pull', 'create', 'start', 'wait-healthy', 'wait-job', 'watch'].includes(kind);
}

function running(host: SimulatedHost): string {
  const up = host.app.containers.filter(isUp);
  return up
    .map(({ id, routed }) => `${id}${routed ? ' routed' : ''}`)
    .sort()
    .join();
}

function assertReached(host: SimulatedHost, target: AppTarget): void {
  const wanted = target.release.services
    .filter(({ job }) => !job)
    .flatMap(({ spec, hash, instances }) =>
      instances.map((instance) => `${spec.name} ${instance} ${hash} ${spec.route !== undefined}`),
    );
  const there = host.app.containers
    .filter(({ job }) => !job)
    .map((one) => {
      assert.ok(isUp(one) && one.passed && !one.draining, JSON.stringify(one));
      return `${one.service} ${one.instance} ${one.hash} ${one.routed}`;
    });
  assert.deepEqual(there.sort(), wanted.sort());
}
