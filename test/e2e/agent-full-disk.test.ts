import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { removeRunDirectory, startAgent } from '../support/agent-process.ts';
import { defer } from '../support/cleanup.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** Options of mkfs.ext4 for a file system with little room. */
const FILE_SYSTEMS: Readonly<Record<string, readonly string[]>> = { bytes: [], inodes: ['-N', '800'] };

async function makeFileSystem(place: string, image: string, options: readonly string[]): Promise<void> {
  await runCommand('truncate', ['-s', '64M', image]);
  await runCommand('mkfs.ext4', ['-q', '-F', '-m', '0', ...options, image]);
  await runCommand('mount', ['-o', 'loop', image, place]);
}

/** A container has filled the file system of the data folder to its last byte, and the agent was killed. */
for (const [lacking, mkfsOptions] of Object.entries(FILE_SYSTEMS)) {
  describe(`an agent on a disk without ${lacking}`, { skip: unlessRoot(), timeout: 900_000 }, async () => {
    if (unlessRoot() !== false) return;
    const scope = { after };
    const registry = await startRegistry(scope);
    const image = `${registry.host}/team/busybox:1`;
    await pushLayout(await makeBusyboxImage(await imageFolder(scope)), image);
    const folder = await makeTempDir(scope, 'full');
    const place = join(folder, 'disk');
    await mkdir(place);
    await makeFileSystem(place, join(folder, 'image'), mkfsOptions);
    defer(scope, async () => void (await runCommand('umount', ['--lazy', place])));
    const dataDir = join(place, 'data');
    await mkdir(dataDir);
    defer(scope, () => removeRunDirectory(dataDir));
    const agent = await startAgent(scope, { args: ['--data', dataDir, '--log-level', 'warn'] });
    const { docker } = agent;
    await docker(['pull', '--quiet', image]);
    await docker(['run', '--name', 'ended', image, 'echo', 'said']);
    await docker([
      'run',
      '--detach',
      '--name',
      'runs',
      image,
      'sh',
      '-c',
      'echo said >/own; cat /own; exec sleep 100000',
    ]);
    await docker(['volume', 'create', 'unused']);
    await docker(['run', '--detach', '--name', 'filler', image, 'sleep', '100000']);
    const fill = async () => {
      for (const unit of ['1M', '4k', '1']) {
        const write = `cat /dev/zero | dd bs=${unit} 2>/dev/null >>/fill-${unit}`;
        await docker(['exec', 'filler', 'sh', '-c', write], { expectExit: 'any' });
      }
      if (lacking === 'inodes') {
        const make = 'rm -f /fill-*; i=0; while : >"/$$-$i"; do i=$((i+1)); done 2>/dev/null';
        await docker(['exec', 'filler', 'sh', '-c', make], { expectExit: 'any' });
      }
    };
    await fill();

    test('starts after a kill', async () => {
      await agent.kill();
      await agent.restart();
      assert.deepEqual((await docker(['ps', '--format', '{{.Names}}'])).stdout.trim().split('\n').sort(), [
        'filler',
        'runs',
      ]);
    });

    test('starts after a stop', async () => {
      await agent.restart();
      await fill();
    });

    test('runs commands in containers, also with a terminal', async () => {
      assert.equal((await docker(['exec', 'runs', 'echo', 'a'])).stdout, 'a\n');
      assert.equal((await docker(['exec', '--tty', 'runs', 'echo', 'a'])).stdout, 'a\r\n');
    });

    test('has the logs', async () => {
      assert.equal((await docker(['logs', 'runs'])).stdout, 'said\n');
      assert.equal((await docker(['logs', 'ended'])).stdout, 'said\n');
    });

    test('stops and starts containers', async () => {
      await docker(['stop', '--time', '0', 'runs']);
      assert.equal((await docker(['inspect', '--format', '{{.State.ExitCode}}', 'runs'])).stdout, '137\n');
      await docker(['start', 'runs']);
      await docker(['restart', '--time', '0', 'runs']);
      // Its root file system can be written, though nothing has room.
      assert.equal((await docker(['exec', 'runs', 'sh', '-c', 'rm /own && echo a'])).stdout, 'a\n');
    });

    test('removes containers and what nobody needs, which makes room', async () => {
      await docker(['rm', '--force', 'ended']);
      await docker(['volume', 'rm', 'unused']);
      await docker(['rm', '--force', 'filler']);
      await docker(['system', 'prune', '--force']);
      await docker(['run', '--rm', image, 'sh', '-c', 'head -c 1000000 /dev/zero >/file']);
    });
  });
}
