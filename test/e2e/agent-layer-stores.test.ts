import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type AgentProcess, agentMounts, startAgent } from '../support/agent-process.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

/** A shell that takes the loop devices away from what it then runs. */
const WITHOUT_LOOP_DEVICES = [
  ...['unshare', '--mount', '--propagation', 'slave'],
  ...['sh', '-c', 'mount --bind /dev/null /dev/loop-control && exec "$@"', 'sh'],
];

/** What keeps the agent from better ways, beside data on a tmpfs, and what it says then. */
const WAYS = {
  unpacked: {
    enter: WITHOUT_LOOP_DEVICES,
    says: /layers cannot be mounted without unpacking them/,
    driver: 'unpacked',
  },
  loop: {
    enter: [],
    says: /layers are mounted through loop devices/,
    driver: 'erofs',
  },
} as const;

async function loopDevicesOf({ dataDir }: AgentProcess): Promise<readonly string[]> {
  const { stdout } = await runCommand('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE']);
  return stdout.split('\n').filter((file) => file.includes(dataDir));
}

describe('an agent on a host without what is best', { skip: unlessRoot(), timeout: 3_600_000 }, () => {
  for (const [way, { enter, says, driver }] of Object.entries(WAYS)) {
    test(`${way}: pull, run, commit, build, save, load, push, restart, rm`, async (t) => {
      const registry = await startRegistry(t);
      const image = `${registry.host}/team/busybox:1`;
      await pushLayout(await makeBusyboxImage(await imageFolder(t)), image);
      const folder = await makeTempDir(t, 'built');
      const agent = await startAgent(t, { enter, dataOn: 'tmpfs' });
      const { docker } = agent;
      const out = async (...args: readonly string[]) => (await docker(args)).stdout;
      assert.match(agent.process().output(), says);
      assert.equal(await out('info', '--format', '{{.Driver}}'), `${driver}\n`);

      await docker(['pull', '-q', image]);
      assert.equal((await loopDevicesOf(agent)).length, 0, 'none before something runs');
      const write =
        'echo one > /one; rm -r /home; mkdir /home; chmod 4750 /one; ln /one /again; ln -s one /link';
      await docker(['run', '--name', 'writer', image, 'sh', '-c', write]);
      assert.deepEqual(
        (await out('diff', 'writer')).split('\n').filter(Boolean).sort(),
        [
          'A /again',
          'A /link',
          'A /one',
          ...(await out('diff', 'writer')).split('\n').filter((line) => line.includes('/home')),
        ].sort(),
      );
      await docker(['commit', 'writer', 'made:1']);
      assert.equal(await out('run', '--rm', 'made:1', 'stat', '-c', '%a %h', '/one'), '4750 2\n');

      const context = join(folder, 'context');
      await mkdir(context);
      await writeFile(join(context, 'file'), 'copied\n');
      const steps = [
        'FROM made:1',
        'COPY file /file',
        'RUN rm /again && cat /file /one > /both',
        'CMD ["cat", "/both"]',
      ];
      await writeFile(join(context, 'Dockerfile'), steps.join('\n'));
      await docker(['build', '-q', '-t', `${registry.host}/team/built:1`, context]);
      const built = `${registry.host}/team/built:1`;
      assert.equal(await out('run', '--rm', built), 'copied\none\n');
      await docker(['run', '-d', '--name', 'stays', built, 'sleep', '100000']);
      assert.equal((await loopDevicesOf(agent)).length > 0, way === 'loop');

      await agent.kill();
      await agent.restart();
      assert.match(agent.process().output(), says);
      assert.equal(await out('exec', 'stays', 'cat', '/both'), 'copied\none\n');
      // It has what it wrote: the link is there already.
      await docker(['start', '-a', 'writer'], { expectExit: 1 });

      await docker(['push', '-q', built]);
      const archive = join(folder, 'built.tar');
      await docker(['save', '-o', archive, built]);
      await docker(['rm', '-f', 'stays', 'writer']);
      await docker(['rmi', built, 'made:1', image]);
      for (const bring of [
        ['load', '-q', '-i', archive],
        ['pull', '-q', built],
      ]) {
        await docker(bring);
        assert.equal(await out('run', '--rm', built), 'copied\none\n');
        await docker(['run', '--rm', built, 'test', '!', '-e', '/again']);
        await docker(['rmi', built]);
      }
      await docker(['builder', 'prune', '-af']);
      await agent.restart();
      // Room is freed, and devices are let go, behind what asks for it.
      await untilPasses(async () => {
        assert.deepEqual(await loopDevicesOf(agent), []);
        assert.deepEqual(await readdir(join(agent.dataDir, 'snapshots')), []);
        assert.deepEqual(
          (await agentMounts(agent)).filter((point) => point.includes('/layers/')),
          [],
        );
      });
    });
  }
});
