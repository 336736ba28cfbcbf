import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Encrypter } from 'age-encryption';
import { decodeFrame, encodeCredit, encodeFrame } from '../../fleet/channel-frame.ts';
import { type CHANNEL_KINDS, CHANNEL_WINDOW, type LogEntry } from '../../fleet/messages.ts';
import type { PinnedImage, ServiceSpec } from '../../fleet/service.ts';
import type { AppTarget } from '../../fleet/target.ts';
import type { Digest } from '../../oci/digest.ts';
import { eventually } from '../support/eventually.ts';
import { type FleetHost, startFleetHost } from '../support/fleet-host.ts';
import { appTarget, serviceSpec, serviceTarget } from '../support/fleet-targets.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const APP = 'team/shop';
const skip = unlessRoot();
const update = { ...serviceSpec('x').update, monitor: 200 };
const RUN = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];

test('an agent that is killed again and again still ends each update in one release', { skip }, async (t) => {
  const host = await startFleetHost(t);
  host.registry.setApps(target(host, 1, { web: { command: RUN } }));
  await healthy(host, 1);
  for (let release = 2; release <= KILLS + 1; release += 1) {
    const fails = release % 3 === 0;
    const command = fails ? ['sh', '-c', 'sleep 0.4; exit 9'] : RUN;
    host.registry.setApps(
      target(host, release, { web: { command, environment: { RELEASE: `${release}` } } }),
    );
    // A different step each time: a update takes about a second.
    await sleep(70 * release);
    await host.agent.kill();
    await host.agent.restart();
    await host.registry.reported(
      APP,
      (one) =>
        one.release === release &&
        one.phase === (fails ? 'failed' : 'healthy') &&
        one.instances.length === 1 &&
        one.instances[0]?.state === 'running' &&
        one.instances[0].release === (fails ? release - 1 : release),
    );
    await eventually('one container is left', async () => {
      const names = (await host.agent.docker(['ps', '-a', '--format', '{{.Names}}'])).stdout.trim();
      return names === 'team-shop-web-1' || (fails && /^team-shop-web-1\S*$/.test(names)) ? true : undefined;
    });
  }
});

test('complaint 11: jobs run once, before the instances that need them, and a job that fails says why', {
  skip,
}, async (t) => {
  const host = await startFleetHost(t);
  const volumes = [{ name: 'data', exclusive: false, labels: {} }];
  const mounts = [
    { type: 'volume', volume: 'data', target: '/data', readOnly: false, noCopy: false },
  ] as const;
  const release = (number: number, job: string) =>
    target(
      host,
      number,
      {
        web: {
          command: ['sh', '-c', 'test -s /data/log && exec sleep 600'],
          mounts,
          environment: { RELEASE: `${number}` },
          dependsOn: [{ service: 'migrate', condition: 'completed', required: true }],
        },
        migrate: { command: ['sh', '-c', job], mounts, environment: { RELEASE: `${number}` } },
      },
      { volumes },
    );
  host.registry.setApps(release(1, 'echo $RELEASE >> /data/log'));
  const first = await healthy(host, 1);
  assert.deepEqual(first.jobs, { migrate: 0 });
  host.registry.setApps(release(2, 'echo the table is locked; exit 4'));
  const second = await host.registry.reported(
    APP,
    ({ phase, release: number }) => phase === 'failed' && number === 2,
  );
  assert.deepEqual(second.jobs, { migrate: 4 });
  assert.match(second.reason ?? '', /^the job migrate.* exited with code 4.*: the table is locked/);
  host.registry.setApps({ ...release(2, 'echo $RELEASE >> /data/log'), attempt: 2 });
  const { instances } = await healthy(host, 2);
  const container = instances.find(({ release: number }) => number === 2)?.container ?? '';
  const { stdout } = await host.agent.docker(['exec', container, 'cat', '/data/log']);
  assert.equal(stdout, '1\n2\n');
});

test('a secret is a file of the instance alone, there again after a reboot, and nowhere else', {
  skip,
}, async (t) => {
  const host = await startFleetHost(t);
  const encrypter = new Encrypter();
  encrypter.addRecipient(String(host.registry.joined[0]?.recipient));
  const sealed = Buffer.from(await encrypter.encrypt('correct horse')).toString('base64');
  host.registry.setApps(
    target(
      host,
      1,
      {
        web: {
          command: RUN,
          restart: { name: 'always', maximumRetryCount: 0 },
          secrets: [
            { source: 'PASSWORD', target: '/run/secrets/PASSWORD', uid: '1000', gid: '1000', mode: 0o400 },
          ],
          configs: [{ source: 'motd', target: '/etc/motd', mode: 0o444 }],
        },
      },
      { secrets: [{ name: 'PASSWORD', version: 1, sealed }], configs: [{ name: 'motd', content: 'hello' }] },
    ),
  );
  await healthy(host, 1);
  const read = async () =>
    (
      await host.agent.docker([
        ...['exec', 'team-shop-web-1', 'sh', '-c'],
        'cat /run/secrets/PASSWORD; stat -c " %a %u:%g" /run/secrets/PASSWORD; cat /etc/motd',
      ])
    ).stdout;
  assert.equal(await read(), 'correct horse 400 1000:1000\nhello');
  const inspected = (await host.agent.docker(['inspect', 'team-shop-web-1'])).stdout;
  assert.ok(!inspected.includes('correct horse'));
  const { stdout } = await host.run('grep', [
    '-rlF',
    '--binary-files=text',
    'correct horse',
    host.agent.dataDir,
  ]);
  assert.equal(stdout, '');
});

test('what a host does not allow is refused, and nothing changes', { skip }, async (t) => {
  const host = await startFleetHost(t);
  host.registry.setApps(target(host, 1, { web: { command: RUN, privileged: true } }));
  const report = await host.registry.reported(APP, ({ phase }) => phase === 'failed');
  assert.equal(report.reason, 'this host does not allow privileged of web: join it with --allow privileged');
  assert.equal((await host.agent.docker(['ps', '-aq'])).stdout, '');
});

test('an app gets neither the network of the host nor what belongs to another app', { skip }, async (t) => {
  const host = await startFleetHost(t);
  const mounts = [
    { type: 'volume', volume: 'data', target: '/data', readOnly: false, noCopy: false },
  ] as const;
  const volumes = [{ name: 'data', exclusive: false, labels: {} }];
  const networks = [{ name: 'default', internal: false, labels: {} }];
  const bank = target(host, 1, { web: { command: RUN, mounts } }, { volumes });
  host.registry.setApps({ ...bank, app: 'team/bank' });
  await host.registry.reported('team/bank', ({ phase }) => phase === 'healthy');
  const tries = [
    [
      'team/shop',
      { networks: [{ ...networks[0], external: 'host' }] },
      'this host does not allow its own network as default: join it with --allow host-network',
    ],
    [
      'team/shop',
      { networks: [{ ...networks[0], external: 'team-bank_default' }] },
      'the network team-bank_default belongs to the app team/bank, so team/shop cannot use it',
    ],
    [
      'team/shop',
      { volumes: [{ ...volumes[0], external: 'team-bank_data' }] },
      'the volume team-bank_data belongs to the app team/bank, so team/shop cannot use it',
    ],
    // Compose's name of its project is the same.
    [
      'team-bank',
      { volumes, networks: [] },
      'the volume team-bank_data belongs to the app team/bank, so team-bank cannot use it',
    ],
  ] as const;
  for (const [index, [app, release, reason]] of tries.entries()) {
    const number = index + 1;
    const web = {
      command: RUN,
      ...('volumes' in release && { mounts }),
      ...(app === 'team-bank' && { networks: [] }),
    };
    const one = { ...target(host, number, { web }, release as object), app };
    host.registry.setApps({ ...bank, app: 'team/bank' }, one);
    const report = await host.registry.reported(
      app,
      (one) => one.release === number && (one.phase === 'failed' || one.phase === 'healthy'),
    );
    assert.deepEqual([report.phase, report.reason], ['failed', reason]);
    assert.deepEqual(report.instances, []);
    host.registry.setApps({ ...bank, app: 'team/bank' });
    await eventually('it is gone', async () => {
      const { stdout } = await host.agent.docker(['ps', '-aq', '--filter', `label=io.berth.app=${app}`]);
      return stdout === '' ? true : undefined;
    });
  }
});

test('an update that needs the port of the old instance stops it first, and starts it again if it fails', {
  skip,
}, async (t) => {
  const host = await startFleetHost(t);
  const ports = [{ target: 80, published: 18080, protocol: 'tcp' }] as const;
  host.registry.setApps(target(host, 1, { web: { command: RUN, ports } }));
  const first = await healthy(host, 1);
  host.registry.setApps(target(host, 2, { web: { command: ['sh', '-c', 'exit 1'], ports } }));
  const second = await host.registry.reported(APP, (one) => {
    const [instance] = one.instances;
    return one.phase === 'failed' && one.instances.length === 1 && instance?.state === 'running';
  });
  assert.equal(second.instances[0]?.container, first.instances[0]?.container);
  host.registry.setApps(target(host, 3, { web: { command: RUN, ports } }));
  await healthy(host, 3);
});

test('an instance that is healthy for a moment and then ends brings the one before back', {
  skip,
}, async (t) => {
  const host = await startFleetHost(t);
  const healthcheck = { test: ['CMD', 'true'], interval: 100 };
  host.registry.setApps(target(host, 1, { web: { command: RUN, healthcheck } }));
  const first = await healthy(host, 1);
  const web = {
    command: ['sh', '-c', 'sleep 2; exit 7'],
    healthcheck,
    update: { ...update, monitor: 20_000 },
  };
  host.registry.setApps(target(host, 2, { web }));
  const report = await host.registry.reported(APP, (one) => {
    const [instance] = one.instances;
    return one.phase === 'failed' && one.instances.length === 1 && instance?.state === 'running';
  });
  assert.match(report.reason ?? '', /^web 1 exited with code 7/);
  assert.equal(report.instances[0]?.container, first.instances[0]?.container);
});

test('logs and commands go through channels, and no more than the other side allows', { skip }, async (t) => {
  const host = await startFleetHost(t);
  const command = ['sh', '-c', 'echo out; echo err >&2; exec sleep 600'];
  host.registry.setApps(target(host, 1, { web: { command } }));
  await healthy(host, 1);
  const logs = host.registry.open({ kind: 'logs', app: APP, follow: false, timestamps: false });
  await closed(host, logs);
  const lines = bytesOf(host, logs, 'data').toString('utf8').trim().split('\n');
  const entries = lines.map((line) => JSON.parse(line) as LogEntry);
  assert.deepEqual(
    entries
      .map(({ service, instance, release, stream, line }) => ({ service, instance, release, stream, line }))
      .sort((a, b) => (a.line < b.line ? -1 : 1)),
    [
      { service: 'web', instance: 1, release: 1, stream: 'stderr', line: 'err' },
      { service: 'web', instance: 1, release: 1, stream: 'stdout', line: 'out' },
    ],
  );
  const echo = host.registry.open({
    ...{ kind: 'exec', app: APP, service: 'web', environment: {}, tty: false, stdin: true },
    command: ['sh', '-c', 'cat; exit 5'],
  });
  host.registry.send(encodeFrame(echo, 'stdin', Buffer.from('hello')));
  host.registry.send(encodeFrame(echo, 'end'));
  await closed(host, echo);
  assert.equal(bytesOf(host, echo, 'stdout').toString(), 'hello');
  assert.equal(bytesOf(host, echo, 'exit').toString(), '5');
  const much = host.registry.open({
    ...{ kind: 'exec', app: APP, service: 'web', environment: {}, tty: false, stdin: false },
    command: ['sh', '-c', 'head -c 1000000 /dev/zero'],
  });
  await eventually('the window is full', () =>
    bytesOf(host, much, 'stdout').length >= CHANNEL_WINDOW ? true : undefined,
  );
  await sleep(300);
  assert.equal(bytesOf(host, much, 'stdout').length, CHANNEL_WINDOW);
  host.registry.send(encodeCredit(much, 1_000_000));
  await closed(host, much);
  assert.equal(bytesOf(host, much, 'stdout').length, 1_000_000);
  const none = host.registry.open({
    ...{ kind: 'exec', app: APP, service: 'db', environment: {}, tty: false, stdin: false },
    command: ['true'],
  });
  await closed(host, none);
  assert.equal(bytesOf(host, none, 'error').toString(), 'no instance of db runs on this host');
});

const KILLS = Number(process.env.BERTH_FLEET_KILLS ?? 6);

function target(
  { images: [image] }: FleetHost,
  number: number,
  services: Readonly<Record<string, Partial<ServiceSpec>>>,
  release: Partial<AppTarget['release']> = {},
): AppTarget {
  const pinned: PinnedImage = { repository: 'team/app', digest: image.digest as Digest };
  const isJob = (name: string) =>
    Object.values(services).some(({ dependsOn }) =>
      dependsOn?.some((one) => one.service === name && one.condition === 'completed'),
    );
  return appTarget(
    number,
    Object.entries(services).map(([name, changes]) =>
      serviceTarget(serviceSpec(name, { update, ...changes }), pinned, {
        hash: `${name}${number}`,
        job: isJob(name),
      }),
    ),
    { release, timeout: 30_000 },
  );
}

function healthy({ registry }: FleetHost, release: number) {
  return registry.reported(APP, (one) => one.release === release && one.phase === 'healthy');
}

function bytesOf({ registry }: FleetHost, channel: number, kind: keyof typeof CHANNEL_KINDS): Buffer {
  const frames = registry.frames.flatMap((data) => decodeFrame(data) ?? []);
  return Buffer.concat(
    frames.filter((one) => one.channel === channel && one.kind === kind).map(({ payload }) => payload),
  );
}

async function closed({ registry }: FleetHost, channel: number): Promise<void> {
  await eventually(`channel ${channel} is closed`, () =>
    registry.frames.some((data) => {
      const frame = decodeFrame(data);
      return frame?.channel === channel && frame.kind === 'close';
    })
      ? true
      : undefined,
  );
}
