import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PlacementHost } from '../../../fleet/eligibility.ts';
import { type PlacementRequest, place } from '../../../fleet/placement.ts';
import type { Placement } from '../../../fleet/release.ts';
import type { AppSpec } from '../../../fleet/service.ts';
import { appOf, candidate, describePlacements } from '../../support/fleet-samples.ts';
import { fc } from '../../support/properties.ts';

const three = ['a', 'b', 'c'].map((name) => candidate(name));

function request(
  spec: AppSpec,
  hosts: readonly PlacementHost[],
  before: readonly Placement[] = [],
): PlacementRequest {
  return { spec, platforms: new Map(), hosts, on: [], before };
}

function placed(wanted: PlacementRequest): string {
  const result = place(wanted);
  assert.deepEqual(result.problems, []);
  return describePlacements(result.placements);
}

function refused(wanted: PlacementRequest): string {
  const result = place(wanted);
  assert.ok(result.problems.length > 0, describePlacements(result.placements));
  return result.problems.map(({ service, key, message }) => `${service}.${key}: ${message}`).join('\n');
}

const web = (more: string) => appOf(`services: {web: {image: web, ${more}}}`);

describe('place', () => {
  it('runs a service once on each host, and replicas spread evenly', async () => {
    assert.equal(placed(request(await web(''), three)), 'web: a[1] b[2] c[3]');
    assert.equal(placed(request(await web('deploy: {replicas: 4}'), three)), 'web: a[1 4] b[2] c[3]');
    assert.equal(placed(request(await web('deploy: {replicas: 0}'), three)), '');
  });

  it('puts no more instances on a host than the file allows', async () => {
    const limited = (replicas: number) =>
      web(`deploy: {replicas: ${replicas}, placement: {max_replicas_per_node: 2}}`);
    assert.equal(placed(request(await limited(5), three)), 'web: a[1 4] b[2 5] c[3]');
    assert.equal(
      refused(request(await limited(7), three)),
      'web.deploy: wants 7 instances, but its hosts can have only 6, at most 2 on each',
    );
  });

  it('keeps numbers and hosts when hosts come, and moves only what a host had that left', async () => {
    const spec = await web('deploy: {replicas: 3}');
    const before = [
      { service: 'web', host: 'id-a', instances: [1, 3] },
      { service: 'web', host: 'id-gone', instances: [2] },
    ];
    assert.equal(placed(request(spec, three, before)), 'web: a[1 3] b[2]');
  });

  it('takes instances off a draining host, but not those with a volume', async () => {
    const hosts = [candidate('a', { draining: true }), candidate('b')];
    const before = [{ service: 'web', host: 'id-a', instances: [1] }];
    assert.equal(placed(request(await web('deploy: {replicas: 1}'), hosts, before)), 'web: b[1]');
    const spec = await appOf(
      'services: {web: {image: web, volumes: ["data:/d"], deploy: {replicas: 1}}}\nvolumes: {data: {}}',
    );
    assert.equal(placed(request(spec, hosts, before)), 'web: a[1]');
  });

  it('refuses to move a volume', async () => {
    const spec = await appOf(
      'services: {db: {image: db, volumes: ["data:/d"], deploy: {replicas: 1, placement: {constraints: [node.labels.disk == ssd]}}}}\n' +
        'volumes: {data: {}}',
    );
    const hosts = [candidate('a'), candidate('b', { labels: { disk: 'ssd' } })];
    const before = [{ service: 'db', host: 'id-a', instances: [1] }];
    assert.match(
      refused(request(spec, hosts, before)),
      /db\.volumes: has a volume on a, where it may no longer run/,
    );
  });

  it('obeys constraints of the app and of the service', async () => {
    const hosts = [candidate('a', { labels: { role: 'web' } }), candidate('b', { labels: { role: 'db' } })];
    const spec = await web('deploy: {placement: {constraints: ["node.labels.role != db"]}}');
    assert.equal(placed(request(spec, hosts)), 'web: a[1]');
    const on = [{ key: 'role', operator: '==', value: 'none' } as const];
    assert.match(refused({ ...request(spec, hosts), on }), /no host has role=none/);
    assert.match(refused(request(spec, [])), /no host has joined/);
  });

  it('refuses ports that are in use on a host, by this app or another', async () => {
    const ports = new Map([['80/tcp', 'the app team/proxy']]);
    const hosts = [candidate('a', { ports }), candidate('b')];
    assert.match(
      refused(request(await web('ports: ["80:8080"]'), hosts)),
      /web\.ports: a has port 80\/tcp in use by the app team\/proxy/,
    );
    assert.equal(placed(request(await web('ports: ["80:8080"], deploy: {replicas: 1}'), hosts)), 'web: b[1]');
    assert.match(
      refused(request(await web('ports: ["81:80"], deploy: {replicas: 3}'), hosts)),
      /wants 3 instances, but its hosts can have only 2, one on each because of its published port/,
    );
    const twice = await appOf('services: {x: {image: x, ports: ["80:80"]}, y: {image: y, ports: ["80:80"]}}');
    assert.match(
      refused(request(twice, [candidate('b')])),
      /y\.ports: b has port 80\/tcp in use by the service x/,
    );
  });

  it('refuses what a host does not allow, has no platform for, or cannot route', async () => {
    const all = 'privileged: true, network_mode: host, pid: host';
    assert.match(refused(request(await web(all), three)), /a does not allow privileged/);
    assert.match(refused(request(await web('volumes: ["/srv:/srv"]'), three)), /a does not allow bind/);
    assert.match(refused(request(await web('cap_add: [SYS_ADMIN]'), three)), /a does not allow privileged/);
    assert.match(
      refused(request(await web('security_opt: ["seccomp=unconfined"]'), three)),
      /does not allow privileged/,
    );
    assert.equal(
      placed(
        request(await web('cap_add: [NET_BIND_SERVICE], security_opt: ["no-new-privileges:true"]'), [
          candidate('a'),
        ]),
      ),
      'web: a[1]',
    );
    const spec = await web('');
    const platforms = new Map([['web', ['linux/arm64']]]);
    assert.match(
      refused({ ...request(spec, three), platforms }),
      /a is linux\/amd64, and the image is for linux\/arm64/,
    );
    const noIngress = [candidate('a', { facts: { platform: 'linux/amd64', allows: [], ingress: false } })];
    assert.match(
      refused(request(await web('x-berth: {route: {host: a.example, port: 80}}'), noIngress)),
      /a has no ingress/,
    );
  });

  it('runs all jobs on one host, with what they depend on', async () => {
    const text = (replicas: number) =>
      `services:
  web: {image: w, depends_on: {migrate: {condition: service_completed_successfully}}}
  migrate: {image: m, depends_on: {db: {condition: service_healthy}}}
  db: {image: d, deploy: {replicas: ${replicas}, placement: {constraints: [node.labels.db == yes]}}}`;
    const hosts = [candidate('a'), candidate('b', { labels: { db: 'yes' } }), candidate('c')];
    assert.equal(
      placed(request(await appOf(text(1)), hosts)),
      'web: a[1] b[2] c[3]\nmigrate: b[1]\ndb: b[1]',
    );
  });

  it('never moves what may stay, and numbers instances once, whatever hosts come and go', async () => {
    const specs = await Promise.all([
      web(''),
      web('deploy: {replicas: 1}'),
      web('deploy: {replicas: 5}'),
      appOf('services: {web: {image: w, volumes: ["d:/d"], deploy: {replicas: 2}}}\nvolumes: {d: {}}'),
    ]);
    const hostSet = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 });
    fc.assert(
      fc.property(
        fc.constantFrom(...specs),
        fc.array(fc.tuple(hostSet, fc.subarray(['a', 'b', 'c', 'd', 'e'])), { minLength: 2, maxLength: 6 }),
        (spec, steps) => {
          let before: readonly Placement[] = [];
          const service = spec.services[0];
          assert.ok(service !== undefined);
          const keepsDraining = service.mounts.length > 0;
          for (const [names, draining] of steps) {
            const hosts = names.map((name) => candidate(name, { draining: draining.includes(name) }));
            const result = place(request(spec, hosts, before));
            if (result.problems.length > 0) {
              assert.ok(
                names.every((name) => draining.includes(name)),
                JSON.stringify(result),
              );
              continue;
            }
            const numbers = result.placements.flatMap(({ instances }) => instances);
            assert.equal(new Set(numbers).size, numbers.length);
            if (service.replicas !== undefined) assert.equal(numbers.length, service.replicas);
            for (const { host, instances } of before) {
              const one = hosts.find(({ id }) => id === host);
              if (one === undefined || (one.draining && !keepsDraining)) continue;
              const now: readonly number[] =
                result.placements.find((placement) => placement.host === host)?.instances ?? [];
              assert.deepEqual(
                instances.filter((number) => !now.includes(number)),
                [],
              );
            }
            assert.deepEqual(place(request(spec, hosts, result.placements)), result);
            before = result.placements;
          }
        },
      ),
    );
  });
});
