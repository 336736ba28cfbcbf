import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComposeError } from '../../../../fleet/compose/compose-error.ts';
import { parseCompose, withPositions } from '../../../../fleet/compose/parse-compose.ts';
import { readApp } from '../../../../fleet/compose/read-app.ts';
import type { ServiceSpec } from '../../../../fleet/service.ts';
import { appOf } from '../../../support/fleet-samples.ts';

async function webOf(more: string): Promise<ServiceSpec> {
  const [web] = (await appOf(`services: {web: {image: web, ${more}}}`)).services;
  assert.ok(web !== undefined);
  return web;
}

/** The problems of a text, as a person sees them. */
async function problemsOf(text: string): Promise<string> {
  try {
    const parsed = await parseCompose(text, { environment: {}, readFile: async () => undefined });
    try {
      readApp(parsed.document);
    } catch (error) {
      if (!(error instanceof ComposeError)) throw error;
      return withPositions(error, parsed.position).message;
    }
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    return error.message;
  }
  return '';
}

describe('readApp', () => {
  it('reads ports in all forms', async () => {
    const { ports } = await webOf(
      'ports: [80, "8080:80", "127.0.0.1:53:53/udp", "[::1]:90-91:90-91", {target: 1, published: "2", host_ip: 10.0.0.1}]',
    );
    assert.deepEqual(ports, [
      { target: 80, protocol: 'tcp' },
      { target: 80, published: 8080, protocol: 'tcp' },
      { target: 53, published: 53, hostIp: '127.0.0.1', protocol: 'udp' },
      { target: 90, published: 90, hostIp: '::1', protocol: 'tcp' },
      { target: 91, published: 91, hostIp: '::1', protocol: 'tcp' },
      { target: 1, published: 2, hostIp: '10.0.0.1', protocol: 'tcp' },
    ]);
  });

  it('reads durations, sizes, limits and the policy of updates', async () => {
    const web = await webOf(
      'stop_grace_period: 1m30s, shm_size: 64m, mem_limit: 1g, cpus: "0.5", healthcheck: {test: [CMD, "true"], interval: 1.5s}, ' +
        'deploy: {replicas: "2", update_config: {parallelism: 0, delay: 10s, max_failure_ratio: 0.25, failure_action: pause}}',
    );
    assert.equal(web.stopGracePeriod, 90_000);
    assert.equal(web.shmSize, 64 * 1024 * 1024);
    assert.deepEqual(web.resources, { memory: 2 ** 30, memoryReservation: 0, nanoCpus: 5e8, pids: 0 });
    assert.equal(web.healthcheck?.interval, 1500);
    assert.equal(web.replicas, 2);
    assert.deepEqual(web.update, {
      parallelism: 0,
      delay: 10_000,
      order: 'start-first',
      failureAction: 'pause',
      monitor: 5000,
      maxFailureRatio: 0.25,
    });
  });

  it('refuses with path, line and column', async () => {
    const text = [
      'services:',
      '  web:',
      '    imagee: web',
      '    build: .',
      '    mac_address: 02:42:ac:11:00:02',
      '    ports:',
      '      - 80:80:80:80',
      '    restart: sometimes',
      '  db: {image: db, depends_on: [cache]}',
    ].join('\n');
    assert.deepEqual((await problemsOf(text)).split('\n'), [
      'line 3, column 5: services.web.imagee: unknown key "imagee": did you mean "image"?',
      'line 4, column 5: services.web.build: Berth runs images from the registry: push an image, and name it by image',
      'line 5, column 5: services.web.mac_address: remove it: the old and the new instance run at the same time during an ' +
        'update, so neither can have this exclusively',
      'line 7, column 9: services.web.ports[0]: "80:80" must be an IP address',
      'line 8, column 5: services.web.restart: must be one of no, always, on-failure, unless-stopped, not "sometimes"',
    ]);
    const later = 'services:\n  web: {image: w}\n  db: {image: db, depends_on: [cache]}';
    assert.equal(
      await problemsOf(later),
      'line 3, column 19: services.db.depends_on: there is no service "cache"',
    );
  });

  it('refuses the network of the host under another name', async () => {
    for (const network of [
      '{external: true, name: host}',
      '{external: {name: host}}',
      '{name: host, external: true}',
    ]) {
      assert.equal(
        await problemsOf(`services:\n  web: {image: w, networks: [n]}\nnetworks:\n  n: ${network}`),
        'line 4, column 3: networks.n: is the network of the host: write network_mode: host',
      );
    }
  });

  it('refuses cycles', async () => {
    const text =
      'services: {a: {image: a, depends_on: [b]}, b: {image: b, depends_on: [c]}, c: {image: c, depends_on: [a]}}';
    assert.match(await problemsOf(text), /services\.a\.depends_on: is a cycle: a -> b -> c -> a/);
  });

  it('knows routes from x-berth and from labels', async () => {
    const route = { kind: 'http', host: 'a.example', path: '/', port: 80, tls: { kind: 'none' } };
    assert.deepEqual((await webOf('x-berth: {route: {host: A.example, port: 80}}')).route, route);
    assert.deepEqual(
      (await webOf('labels: {berth.route.host: a.example, berth.route.port: "80"}')).route,
      route,
    );
    assert.deepEqual((await webOf('labels: [berth.route.host=a.example, berth.route.port=80]')).route, route);
    assert.deepEqual((await webOf('x-berth: {route: {listen: 5432, port: 80}}')).route, {
      kind: 'tcp',
      listen: 5432,
      port: 80,
    });
  });

  it('takes an empty text for none where Compose does: published files have variables there', async () => {
    const plain = await webOf('');
    for (const key of [
      ...['container_name', 'dns', 'dns_search', 'domainname', 'hostname', 'ipc', 'network_mode', 'pid'],
      ...['platform', 'restart', 'stop_signal', 'tmpfs', 'user', 'working_dir'],
    ])
      assert.deepEqual(await webOf(`${key}: ""`), plain, key);
    for (const key of ['cpus', 'mem_limit', 'scale', 'stop_grace_period', 'init'])
      assert.match(
        await problemsOf(`services: {web: {image: a, ${key}: ""}}`),
        new RegExp(`${key}: must be`),
      );
  });

  it('tells of services, secrets and volumes in one go', async () => {
    const said = await problemsOf(
      'services: {web: {image: a, gpus: all, secrets: [key]}, db: {image: b, secrets: [key], volumes: ["d:/d"]}}\nsecrets: {key: {file: ./key}}\nvolumes: {d: {driver: nfs}}',
    );
    assert.match(said, /services\.web\.gpus/);
    assert.match(said, /secrets\.key\.file/);
    assert.match(said, /volumes\.d\.driver/);
  });

  it('has one spelling of a route, so that two apps cannot have the same one', async () => {
    for (const path of ['/api', '/api/'])
      assert.deepEqual((await webOf(`x-berth: {route: {host: a.example, path: ${path}, port: 80}}`)).route, {
        ...{ kind: 'http', host: 'a.example', path: '/api', port: 80, tls: { kind: 'none' } },
      });
    const web = (route: string) =>
      problemsOf(`services: {web: {image: a, x-berth: {route: {port: 80, ${route}}}}}`);
    for (const path of ['//', '/a//b', '/a//', '/./a', '/a/..', '/a/../'])
      assert.match(await web(`host: a.example, path: ${path}`), /path: must have no segment/, path);
    for (const path of ['/a b', '/"', '/%[src]', '/a\\nserver x', "/a'", '/a#b', '/a;b'])
      assert.match(await web(`host: a.example, path: ${JSON.stringify(path)}`), /path: must be a path/, path);
    for (const host of ['10.0.0.1', 'a.example/b', 'a b', '%[src]', 'a\\nb', '*', 'a..b', '-a'])
      assert.match(await web(`host: ${JSON.stringify(host)}`), /host: must be a name/, host);
  });

  it('takes what concerns one host as names, order and limits', async () => {
    const web = await webOf(
      'container_name: shop_web, build: ., deploy: {replicas: 2, placement: {max_replicas_per_node: 1}, rollback_config: {parallelism: 1, order: stop-first}}',
    );
    assert.deepEqual(web.networks, [{ network: 'default', aliases: ['shop_web'] }]);
    assert.equal(web.maxPerHost, 1);
    const { services } = await appOf(
      'services: {db: {image: d}, w: {image: w, links: [db, "db:db"]}, v: {image: v, container_name: v, network_mode: host}}',
    );
    assert.deepEqual(services[1]?.dependsOn, [{ service: 'db', condition: 'started', required: true }]);
    assert.deepEqual(services[2]?.networks, []);
    assert.match(
      await problemsOf('services: {db: {image: d}, w: {image: w, links: ["db:mysql"]}}'),
      /services\.w\.links\[0\]: give db the alias "mysql" under its networks/,
    );
    assert.match(
      await problemsOf('services: {w: {image: w, container_name: "a b"}}'),
      /container_name: "a b" is not the name of a container/,
    );
  });

  it('reads options of networks, and refuses those that are the host’s', async () => {
    const text = (network: string) => `services: {w: {image: w, networks: [n]}}\nnetworks: {n: ${network}}`;
    const { networks } = await appOf(
      text('{enable_ipv6: true, driver_opts: {com.docker.network.driver.mtu: 1450}}'),
    );
    assert.deepEqual(networks, [
      {
        name: 'n',
        internal: false,
        ipv6: true,
        options: { 'com.docker.network.driver.mtu': '1450' },
        labels: {},
      },
    ]);
    for (const [network, expected] of [
      ['{driver_opts: {com.docker.network.bridge.name: eth0}}', /unknown option: known are/],
      ['{driver_opts: {com.docker.network.driver.mtu: 99999}}', /must be a number of bytes/],
      ['{driver_opts: {com.docker.network.bridge.enable_icc: maybe}}', /must be true or false/],
      ['{driver: overlay}', /must be bridge: a network belongs to a host/],
    ] as const) {
      assert.match(await problemsOf(text(network)), expected);
    }
    const volumes = 'services: {w: {image: w, volumes: ["v:/v"]}}\nvolumes: {v: {driver_opts: {type: nfs}}}';
    assert.match(await problemsOf(volumes), /volumes\.v\.driver_opts: hosts mount nothing for a volume/);
  });

  it('keeps secrets out of the file', async () => {
    const text = (secret: string) => `services: {w: {image: w, secrets: [s]}}\nsecrets: {s: ${secret}}`;
    assert.match(
      await problemsOf(text('{file: ./s}')),
      /line 2, column 15: secrets\.s\.file: .*berth secret set/,
    );
    assert.match(await problemsOf(text('{environment: S}')), /berth secret set/);
    const spec = await appOf(text('{external: true, name: DB}'));
    assert.deepEqual(spec.secrets, ['DB']);
    assert.deepEqual(spec.services[0]?.secrets, [{ source: 'DB', target: '/run/secrets/s', mode: 0o400 }]);
  });

  it('stops at 20 problems', () => {
    const keys = Array.from({ length: 10_000 }, (_, index) => [`imagx${index}`, 1]);
    const document = { services: { web: { image: 'w', ...Object.fromEntries(keys) } } };
    assert.throws(
      () => readApp(document),
      (error) => error instanceof ComposeError && error.problems.length === 20,
    );
  });

  for (const { what, document, expected } of [
    { what: 'no mapping', document: [], expected: /must be a mapping/ },
    { what: 'no services', document: {}, expected: /services: has no service/ },
    {
      what: '__proto__',
      document: JSON.parse('{"services": {"__proto__": {"image": "w"}}}'),
      expected: /__proto__ is not allowed/,
    },
    {
      what: 'a name of Object.prototype',
      document: { services: { constructor: { image: 'w' } } },
      expected: /is not a name/,
    },
    {
      what: 'too many services',
      document: {
        services: Object.fromEntries(
          Array.from({ length: 101 }, (_, index) => [`s${index}`, { image: 'w' }]),
        ),
      },
      expected: /at most 100/,
    },
    {
      what: 'too many values',
      document: { services: { w: { image: 'w', command: Array(60_000).fill('x') } } },
      expected: /more than 20000 values/,
    },
    {
      what: 'too many entries',
      document: { services: { w: { image: 'w', labels: Array(1001).fill('x') } } },
      expected: /services\.w\.labels: has more than 1000 entries/,
    },
    {
      what: 'too deep',
      document: JSON.parse(`${'{"x-a":'.repeat(200)}1${'}'.repeat(200)}`),
      expected: /nested deeper/,
    },
    {
      what: 'a file of this machine',
      document: { services: { w: { image: 'w', configs: ['c'] } }, configs: { c: { file: '/etc/passwd' } } },
      expected: /read by `berth deploy`/,
    },
    {
      what: 'labels of the host',
      document: { services: { w: { image: 'w', labels: { 'io.berth.app': 'x' } } } },
      expected: /are set by the host/,
    },
  ]) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => readApp(document),
        (error) => error instanceof ComposeError && expected.test(error.message),
      );
    });
  }
});
