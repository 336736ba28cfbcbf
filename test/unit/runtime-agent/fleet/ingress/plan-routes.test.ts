import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRoutes, MAX_ROUTES } from '../../../../../runtime-agent/fleet/ingress/check-routes.ts';
import type { Route } from '../../../../../runtime-agent/fleet/ingress/ingress.ts';
import {
  EMPTY_STATE,
  HTTP_SLOTS,
  httpSlot,
  type ProxyState,
  planRoutes,
  type Server,
  type Step,
} from '../../../../../runtime-agent/fleet/ingress/plan-routes.ts';
import { fc } from '../../../../support/properties.ts';

function web(host: string, ports: readonly number[], tls: 'none' | 'acme' = 'none'): Route {
  const backends = ports.map((port) => ({ address: '10.0.0.1', port, state: 'ready' as const }));
  return { kind: 'http', host, path: '/', tls: { kind: tls }, backends };
}

function plan(current: ProxyState, routes: readonly Route[]) {
  return planRoutes(current, checkRoutes(routes, new Set()).routes, []);
}

function names(steps: readonly Step[]): readonly string[] {
  return steps.map((step) => {
    if ('server' in step) return `${step.kind} ${step.server.slot}/${step.server.port} ${step.server.state}`;
    if ('pointer' in step)
      return `${step.kind} ${step.pointer.map} ${step.pointer.key} ${step.pointer.value}`;
    return `${step.kind} ${step.certificate.host}`;
  });
}

test('an update adds the new backend before the old one leaves', () => {
  const { target } = plan(EMPTY_STATE, [web('a.test', [1])]);
  const update = plan(target, [web('a.test', [2])]);
  assert.deepEqual(names(update.steps), ['add-server r0/2 ready', 'set-state r0/1 leaving']);
  assert.deepEqual(plan(update.target, [web('a.test', [2])]).steps, []);
});

test('a backend that comes back while it drains becomes ready again, before others leave', () => {
  const first = plan(EMPTY_STATE, [web('a.test', [1])]);
  const second = plan(first.target, [web('a.test', [2])]);
  const back = plan(second.target, [web('a.test', [1])]);
  assert.deepEqual(names(back.steps), ['set-state r0/1 ready', 'set-state r0/2 leaving']);
});

test('a route that turns to TLS keeps its slot, and plain HTTP redirects', () => {
  const { target } = plan(EMPTY_STATE, [web('a.test', [1])]);
  const change = plan(target, [web('a.test', [1], 'acme')]);
  assert.deepEqual(names(change.steps), ['point secure a.test/ r0', 'point plain a.test/ redirect']);
  const back = plan(change.target, [web('a.test', [1])]);
  assert.deepEqual(names(back.steps), ['point plain a.test/ r0', 'unpoint secure a.test/ r0']);
});

test('the slot of a route that is gone is free only when its servers are', () => {
  const { target } = plan(EMPTY_STATE, [web('a.test', [1])]);
  const other = plan(target, [web('b.test', [2])]);
  assert.deepEqual(names(other.steps), [
    'add-server r1/2 ready',
    'point plain b.test/ r1',
    'unpoint plain a.test/ r0',
    'set-state r0/1 leaving',
  ]);
  const drained: ProxyState = {
    ...other.target,
    servers: other.target.servers.filter(({ slot }) => slot !== 'r0'),
  };
  assert.deepEqual(names(plan(drained, [web('b.test', [2]), web('c.test', [3])]).steps), [
    'add-server r0/3 ready',
    'point plain c.test/ r0',
  ]);
});

test('routes without a free slot are named', () => {
  const servers = Array.from(
    { length: HTTP_SLOTS },
    (_, index): Server => ({
      slot: httpSlot(index),
      name: '10.0.0.1-1',
      address: '10.0.0.1',
      port: 1,
      weight: 100,
      state: 'leaving',
    }),
  );
  const { unplaced, steps } = plan({ ...EMPTY_STATE, servers }, [web('a.test', [1])]);
  assert.equal(unplaced.length, 1);
  assert.deepEqual(steps, []);
});

test('any set of routes follows any other: nothing leads to a missing or leaving server, and the plan ends', () => {
  const host = fc.constantFrom('a.test', 'b.test', '*.c.test', 'd.test');
  const backends = fc.array(
    fc.record({
      address: fc.constantFrom('10.0.0.1', '10.0.0.2', 'FD00::1'),
      port: fc.integer({ min: 1, max: 3 }),
      state: fc.constantFrom('ready', 'draining'),
      weight: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 4 },
  );
  const http = fc.record({
    kind: fc.constant('http' as const),
    host,
    path: fc.constantFrom('/', '/x', '/x/y'),
    tls: fc.constantFrom({ kind: 'none' as const }, { kind: 'acme' as const }),
    backends,
  });
  const tcp = fc.record({
    kind: fc.constant('tcp' as const),
    port: fc.integer({ min: 1, max: 3 }),
    backends,
  });
  const sets = fc.array(fc.array(fc.oneof(http, tcp), { maxLength: 8 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(sets, (all) => {
      let state = EMPTY_STATE;
      for (const routes of all) {
        const checked = checkRoutes(routes as readonly Route[], new Set()).routes;
        const { steps, target } = planRoutes(state, checked, []);
        const applied = apply(state, steps);
        assert.deepEqual(sorted(applied.servers), sorted(target.servers));
        assert.deepEqual(sorted(applied.pointers), sorted(target.pointers));
        assert.deepEqual(planRoutes(target, checked, []).steps, []);
        const slots = target.pointers.filter(({ value }) => value !== 'redirect').map(({ value }) => value);
        assert.equal(new Set(slots).size, slots.length);
        state = target;
      }
    }),
  );
});

test(`at most ${MAX_ROUTES} routes are taken`, () => {
  const routes = Array.from({ length: MAX_ROUTES + 5 }, (_, index) => web(`h${index}.test`, []));
  const checked = checkRoutes(routes, new Set());
  assert.equal(checked.routes.length, MAX_ROUTES);
  assert.equal(checked.problems.length, 5);
});

/** Carries steps out on a state, as the proxy does, and checks the order after each. */
function apply(state: ProxyState, steps: readonly Step[]): ProxyState {
  const servers = new Map(state.servers.map((server) => [`${server.slot}/${server.name}`, server]));
  const pointers = new Map(state.pointers.map((pointer) => [`${pointer.map} ${pointer.key}`, pointer]));
  for (const step of steps) {
    if ('server' in step) {
      const key = `${step.server.slot}/${step.server.name}`;
      assert.equal(servers.has(key), step.kind !== 'add-server');
      const before = servers.get(key) ?? step.server;
      const changed = {
        'set-state': { state: step.server.state },
        'set-weight': { weight: step.server.weight },
      };
      servers.set(key, step.kind === 'add-server' ? step.server : { ...before, ...changed[step.kind] });
    } else if (step.kind === 'point') pointers.set(`${step.pointer.map} ${step.pointer.key}`, step.pointer);
    else if (step.kind === 'unpoint') pointers.delete(`${step.pointer.map} ${step.pointer.key}`);
  }
  return { ...state, servers: [...servers.values()], pointers: [...pointers.values()] };
}

function sorted(values: readonly object[]): readonly string[] {
  return values.map((value) => JSON.stringify(Object.entries(value).sort())).sort();
}
