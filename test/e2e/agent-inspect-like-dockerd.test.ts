import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

type Daemon = Pick<Dockerd, 'docker'>;

/** What may differ, and why. Keys as in the answer, with dots between. */
const ALLOWED: readonly (readonly [key: RegExp, reason: string])[] = [
  [
    /^(Id|Created|State\.StartedAt|State\.FinishedAt|Config\.Hostname)$/,
    'other containers, made at other times',
  ],
  [/^(Driver|GraphDriver\..*)$/, 'layers are EROFS indices here, overlay2 there'],
  [/^HostConfig\.Runtime$/, 'the runtime of this host, which may be crun'],
  [/^(ResolvConf|Hostname|Hosts|Log)Path$/, 'another data folder'],
  [
    /^NetworkSettings\.(SandboxID|SandboxKey|Networks\.none\.NetworkID)$/,
    'without a network there is no sandbox',
  ],
  [/^NetworkSettings\.Networks\.none\.MacAddress$/, 'without a network there is no address'],
  [/^Image$/, 'dockerd counts another digest where it converts the manifest'],
];

/** Lists whose order is the daemon's own, by chance. */
const SORTED = new Set(['Mounts']);

function flatten(value: unknown, at = '', found = new Map<string, string>()): ReadonlyMap<string, string> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0) {
    for (const [key, item] of Object.entries(value)) flatten(item, at === '' ? key : `${at}.${key}`, found);
  } else
    found.set(
      at,
      JSON.stringify(
        SORTED.has(at) && Array.isArray(value) ? value.map((item) => JSON.stringify(item)).sort() : value,
      ),
    );
  return found;
}

describe('docker inspect, key by key beside dockerd', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after });
  await dockerd.docker(['pull', '--quiet', image]);
  const donors = new Map<Daemon, string>();
  for (const daemon of [agent, dockerd]) {
    const flags = ['--network=none', '--ipc=shareable', '-v', 'kept:/data'];
    const { stdout } = await daemon.docker([
      'run',
      '-d',
      '--name',
      'donor',
      ...flags,
      image,
      'sleep',
      '100000',
    ]);
    donors.set(daemon, stdout.trim());
  }

  const show = async (daemon: Daemon, flags: readonly string[], runs: boolean) => {
    const created = await daemon.docker([
      'create',
      '--network=none',
      '--name',
      'shown',
      ...flags,
      image,
      'true',
    ]);
    const ends = runs ? await daemon.docker(['start', '-a', 'shown'], { expectExit: 'any' }) : undefined;
    const { stdout } = await daemon.docker(['inspect', 'shown']);
    await daemon.docker(['rm', '-f', 'shown']);
    const donor = donors.get(daemon) ?? '';
    const found = flatten(
      JSON.parse(stdout.replaceAll(donor, 'DONOR').replace(/"[^"]*\/data\/volumes\//g, '"VOLUMES/'))[0],
    );
    return new Map([...found, ['warnings', created.stderr], ['exit', String(ends?.exitCode)]]);
  };

  const sets: readonly (readonly string[])[] = [
    [],
    ['--privileged'],
    ['--pid=host', '--ipc=host', '--uts=host', '--userns=host'],
    ['--pid=container:donor', '--ipc=container:donor'],
    ['--ipc=none', '--cgroupns=private'],
    ['--device=/dev/fuse', '--device=/dev/null:/dev/x:r', '--device-cgroup-rule=c 1:3 r'],
    [
      ...['-m', '64m', '--memory-reservation', '32m', '--memory-swappiness', '3', '--oom-kill-disable'],
      ...['--oom-score-adj', '3', '--pids-limit', '50'],
    ],
    ['--cpus', '0.5', '--memory-swap', '-1', '-m', '64m', '--pids-limit', '-1'],
    [
      '--cpu-shares',
      '5',
      '--cpuset-cpus',
      '0',
      '--cpuset-mems',
      '0',
      '--cpu-period',
      '10000',
      '--cpu-quota',
      '5000',
    ],
    [
      ...['--security-opt', 'seccomp=unconfined', '--security-opt', 'no-new-privileges'],
      ...['--security-opt', 'systempaths=unconfined'],
    ],
    [
      '--cgroup-parent',
      '/berth-test',
      '--annotation',
      'a=b',
      '--init',
      '--shm-size',
      '8m',
      '--read-only',
      '--tmpfs',
      '/t:size=1m',
    ],
    [
      ...[
        '--restart',
        'on-failure:3',
        '--stop-signal',
        'INT',
        '--stop-timeout',
        '3',
        '--domainname',
        'd',
        '-h',
        'h',
      ],
      ...['--ulimit', 'nofile=100:200', '--sysctl', 'net.ipv4.ip_forward=1', '--group-add', '3'],
    ],
    [
      // So rarely that none comes before the end.
      ...['--health-cmd', 'true', '--health-interval', '3h', '--health-retries', '4'],
      ...['--health-start-period', '2h', '--health-timeout', '1s', '--health-start-interval', '1h'],
    ],
    ['--no-healthcheck', '--log-driver', 'none'],
    ['--health-interval', '3s', '--log-opt', 'max-size=1m', '--log-opt', 'max-file=3'],
    [
      ...['-i', '-t', '-u', '1:2', '-w', '/w', '-e', 'A=b', '-l', 'x=y', '--entrypoint', '/bin/ls'],
      ...['--cap-add', 'NET_ADMIN', '--cap-drop', 'CHOWN', '--expose', '80'],
    ],
    ['--dns', '192.0.2.1', '--add-host', 'a:192.0.2.2', '--volumes-from', 'donor:ro', '-v', '/usr:/x:ro'],
    ['-v', '/:/host', '-w', '/w/./x//'],
    ['--mount', 'type=tmpfs,dst=/y,tmpfs-size=1m', '--mount', 'type=bind,src=/usr,dst=/z,readonly'],
  ];
  test('the runtime that a client asked for', async () => {
    assert.equal((await show(agent, ['--runtime', 'runc'], false)).get('HostConfig.Runtime'), '"runc"');
  });
  for (const flags of sets) {
    test(`docker create ${flags.join(' ')}`, async () => {
      for (const runs of [false, true]) {
        const [ours, theirs] = [await show(agent, flags, runs), await show(dockerd, flags, runs)];
        const keys = new Set([...ours.keys(), ...theirs.keys()]);
        const different = [...keys].filter(
          (key) => ours.get(key) !== theirs.get(key) && !ALLOWED.some(([allowed]) => allowed.test(key)),
        );
        assert.deepEqual(
          different.map((key) => ({ key, value: ours.get(key) })),
          different.map((key) => ({ key, value: theirs.get(key) })),
        );
      }
    });
  }
});
