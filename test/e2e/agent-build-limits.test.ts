import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeBuildContext } from '../support/build-context.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const CLASSIC = { env: { DOCKER_BUILDKIT: '0' } };

describe('what a build gives its steps', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });

  async function build(folder: string, args: readonly string[], options = {}): Promise<string> {
    const { stdout, stderr } = await agent.docker(['build', '--tag', 'limited', ...args, folder], options);
    return stdout + stderr;
  }

  const shell = async (command: string) =>
    (await agent.docker(['run', '--rm', 'limited', 'sh', '-c', command])).stdout;

  for (const [api, options, cached] of [
    ['buildx', { env: { BUILDKIT_PROGRESS: 'plain' } }, /RUN .*\n#\d+ CACHED/],
    ['the classic API', CLASSIC, /Using cache/],
  ] as const) {
    test(`names of hosts, limits of users, the network and shared memory make another step, by ${api}`, async (t) => {
      const marks = `FROM ${image}\nRUN (ulimit -n; cat /etc/hosts; ls /sys/class/net; df -k /dev/shm) > /seen; true ${api}\n`;
      const folder = await makeBuildContext(t, marks);
      const has = (args: readonly string[]) => build(folder, args, options);
      await has([]);
      assert.match(await has([]), cached);
      for (const [args, seen] of [
        [['--add-host', 'added:192.0.2.7'], /192\.0\.2\.7\tadded/],
        [['--ulimit', 'nofile=321:321'], /^321$/m],
        [['--network', 'none'], /^lo$/m],
        [['--shm-size', '5m'], /\b5120\b/],
      ] as const) {
        assert.doesNotMatch(await has(args), cached, args.join(' '));
        assert.match(await shell('cat /seen'), seen);
        assert.match(await has(args), cached, args.join(' '));
      }
      assert.match(await has(['--add-host', 'added:192.0.2.8']), cached, 'addresses make no other step');
      assert.match(await has([]), cached);
    });
  }

  test('the classic builder has limits of resources, which make no other step', async (t) => {
    const folder = await makeBuildContext(
      t,
      `FROM ${image}\nRUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max > /memory 2>/dev/null; cat /sys/fs/cgroup/cpu/cpu.shares /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max > /cpu 2>/dev/null; grep Cpus_allowed_list /proc/self/status > /cpus\n`,
    );
    const limits = [
      ...['--memory', '64m', '--memory-swap', '80m', '--cpu-shares', '512'],
      ...['--cpu-period', '100000', '--cpu-quota', '50000', '--cpuset-cpus', '0', '--cpuset-mems', '0'],
    ];
    await build(folder, limits, CLASSIC);
    assert.match(await shell('cat /memory'), /^67108864$/m);
    assert.match(await shell('cat /cpu'), /50000/);
    assert.match(await shell('cat /cpus'), /Cpus_allowed_list:\t0$/m);
    assert.match(await build(folder, [], CLASSIC), /Using cache/);
  });

  test('containers of steps are removed whatever is said, and who wants to keep them is told', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\nRUN true\nRUN exit 3\n`);
    for (const [flag, isWarned] of [
      ['--rm=false', true],
      ['--rm=true', false],
      ['--force-rm', false],
    ] as const) {
      const { stdout } = await agent.docker(['build', flag, folder], { ...CLASSIC, expectExit: 3 });
      assert.equal(/\[Warning\] build steps of this agent leave no containers/.test(stdout), isWarned, flag);
      assert.equal(stdout.match(/^ ---> Running in [0-9a-f]{12}$/gm)?.length, flag === '--rm=false' ? 2 : 1);
      assert.equal((await agent.docker(['ps', '--all', '--quiet'])).stdout, '');
    }
  });

  for (const [args, message] of [
    [['--squash'], /squash/],
    [['--isolation', 'process'], /no isolation technologies/],
    [['--security-opt', 'seccomp=unconfined'], /security options for builds are not supported/],
    [['--cgroup-parent', '/x'], /a parent cgroup for builds is not supported/],
    [['--memory', '1m'], /[Mm]inimum memory limit allowed is 6MB/],
    [
      ['--memory', '64m', '--memory-swap', '32m'],
      /[Mm]inimum memoryswap limit should be larger than memory limit/,
    ],
    [['--cpuset-cpus', '99'], /Dockerfile:2: RUN: .*cpuset/],
    [['--cpu-period', '5'], /CPU cfs period/],
    [['--ulimit', 'nofile=5:1'], /ulimit soft limit must be less than or equal to hard limit/],
  ] as const) {
    test(`the classic builder refuses ${args.join(' ')}`, async (t) => {
      const folder = await makeBuildContext(t, `FROM ${image}\nRUN echo ${args.join()}\n`);
      await assert.rejects(build(folder, args, CLASSIC), message);
    });
  }

  test('isolation of this system is that of every build', async (t) => {
    const folder = await makeBuildContext(t, `FROM ${image}\nRUN true\n`);
    await build(folder, ['--isolation', 'default'], CLASSIC);
  });
});
