import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { agentMounts, removeRunDirectory, startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { defer } from '../support/cleanup.ts';
import { killDuring } from '../support/kill-while.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { readTarFiles, writeTarFiles } from '../support/rewrite-tar.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('faults while files and images move', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after }, { agentArgs: ['--layer-limit', '100m'] });
  const { docker } = agent;
  const folder = await makeTempDir({ after }, 'faults');
  const out = async (...args: string[]) => (await docker(args)).stdout;

  /** What of layers, images and mounts the agent has. */
  const state = async () => ({
    layers: (await readdir(join(agent.dataDir, 'layers'))).sort(),
    // What is removed is out of sight at once, and its room comes back a little later.
    rootfs: (await readdir(join(agent.dataDir, 'snapshots'))).filter((name) => !name.startsWith('.')).sort(),
    parts: await readdir(join(runDirectory(agent.dataDir), 'parts')),
    images: (await out('images', '-a', '--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}'))
      .split('\n')
      .sort(),
    mounts: (await agentMounts(agent)).filter((path) => !path.includes('/layers/')).sort(),
  });

  test('a path that is longer than Linux allows is refused', async () => {
    await docker(['create', '--name', 'long', image]);
    for (const path of ['x'.repeat(256), 'x/'.repeat(2048)]) {
      await assert.rejects(docker(['cp', `long:/${path}`, '-']), /the path is longer than Linux allows: /);
    }
    await docker(['rm', 'long']);
  });

  test('SIGKILL in the middle of a load and of a commit leaves nothing half, and no container standing still', async () => {
    const script = 'head -c 60000000 /dev/urandom > /big; touch /ready; exec sleep 1000';
    await docker(['run', '-d', '--name', 'big', '--network=none', image, 'sh', '-c', script]);
    await waitUntil('it has written', async () => (await out('diff', 'big')).includes('A /ready'));
    await docker(['commit', 'big', 'made:1']);
    await docker(['save', '-o', join(folder, 'made.tar'), 'made:1']);
    await docker(['rmi', 'made:1']);
    // As podman names them, so that the layers are not known by their paths.
    const files = await readTarFiles(join(folder, 'made.tar'));
    for (const name of ['index.json', 'oci-layout']) files.delete(name);
    const manifest = String(files.get('manifest.json')).replaceAll('blobs/sha256/', '');
    files.set('manifest.json', Buffer.from(manifest));
    await writeTarFiles(
      join(folder, 'made.tar'),
      new Map([...files].map(([name, content]) => [name.replace('blobs/sha256/', ''), content])),
    );
    const before = await state();
    const archive = await readFile(join(folder, 'made.tar'));
    for (let round = 0; round < 3; round += 1) {
      const sending = request({ socketPath: agent.socket, method: 'POST', path: '/v1.45/images/load' });
      sending.on('error', () => undefined);
      sending.write(archive.subarray(0, 20_000_000 + round * 15_000_000));
      await waitUntil('a layer is coming', async () =>
        (await readdir(join(agent.dataDir, 'layers'))).some((name) => name.startsWith('.incoming')),
      );
      await agent.kill();
      sending.destroy();
      await agent.restart();
      assert.deepEqual(await state(), before, `load ${round}`);
    }
    for (let round = 0; round < 3; round += 1) {
      const name = `half:${round}`;
      const commit = async () => {
        // Of an attempt that nobody has seen.
        await docker(['rmi', name], { expectExit: 'any' });
        await docker(['commit', 'big', name]);
      };
      await killDuring(agent, 'a layer is written', commit, async () =>
        (await readdir(join(agent.dataDir, 'layers'))).some((name) => name.startsWith('.incoming')),
      );
      await agent.restart();
      assert.deepEqual(await state(), before, `commit ${round}`);
      // It stands still no longer.
      await docker(['exec', 'big', 'true']);
      assert.equal(await out('inspect', '-f', '{{.State.Status}}', 'big'), 'running\n');
    }
    await docker(['rm', '-f', 'big']);
  });

  test('SIGKILL in the middle of a copy from a container that is stopped', async () => {
    await docker([
      'run',
      '--name',
      'still',
      '--network=none',
      '-v',
      'vol:/vol',
      image,
      'sh',
      '-c',
      'head -c 50000000 /dev/zero > /big',
    ]);
    const before = await state();
    // Nobody reads it, so it does not come to its end.
    const leaving = new AbortController();
    const copy = `docker -H ${agent.host} cp still:/big - | sleep 100000`;
    const copying = runCommand('sh', ['-c', copy], { signal: leaving.signal }).catch(() => undefined);
    await waitUntil('it is mounted', async () =>
      (await agentMounts(agent)).some((path) => path.includes('/parts/')),
    );
    await agent.kill();
    leaving.abort();
    await copying;
    await agent.restart();
    assert.deepEqual(await state(), before);
    await docker(['start', 'still']);
    await docker(['rm', '-f', 'still']);
    await docker(['volume', 'rm', 'vol']);
  });

  test('a layer that unpacks to more than the limit is refused, and its room given back', async () => {
    const before = await state();
    await runCommand('sh', [
      '-c',
      `cd ${folder} && head -c 500000000 /dev/zero > zeros && tar -cf - zeros | gzip -1 > bomb.tar.gz && rm zeros`,
    ]);
    const refused = await docker(['import', join(folder, 'bomb.tar.gz')], { expectExit: 1 });
    assert.match(
      refused.stderr,
      /a layer of the image has more than 104857600 bytes uncompressed: start the agent with a larger --layer-limit/,
    );
    const manifest = JSON.stringify([
      { Config: 'config.json', RepoTags: ['bomb:1'], Layers: ['bomb.tar.gz'] },
    ]);
    const rootfs = { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] };
    await writeFile(join(folder, 'manifest.json'), manifest);
    await writeFile(
      join(folder, 'config.json'),
      JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs }),
    );
    await runCommand('tar', [
      '-C',
      folder,
      '-cf',
      join(folder, 'archive.tar'),
      'bomb.tar.gz',
      'config.json',
      'manifest.json',
    ]);
    const load = await docker(['load', '-i', join(folder, 'archive.tar')], { expectExit: 1 });
    assert.match(load.stderr, /more than 104857600 bytes uncompressed/);
    assert.deepEqual(await state(), before);
  });

  test('a full disk fails a load, an import, a commit or a copy alone, with a sentence; with room they succeed', async (t) => {
    const place = await makeTempDir(t, 'full');
    await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', place]);
    const dataDir = join(place, 'data');
    await mkdir(dataDir);
    defer(t, () => removeRunDirectory(dataDir));
    const full = await startAgent(t, { args: ['--data', dataDir] });
    const archive = join(folder, 'busybox.tar');
    await docker(['save', '-o', archive, image]);
    await full.docker(['load', '-i', archive]);
    await full.docker(['tag', image, 'busy']);
    await full.docker([
      'run',
      '--name',
      'writer',
      '--network=none',
      'busy',
      'sh',
      '-c',
      'head -c 8000000 /dev/urandom > /big',
    ]);
    await full.docker(['commit', 'writer', 'big:1']);
    const big = join(folder, 'big.tar');
    await full.docker(['save', '-o', big, 'big:1']);
    await full.docker(['rmi', 'big:1']);
    const left = async () => [
      ...(await readdir(join(dataDir, 'layers'))).sort(),
      (await full.docker(['images', '-aq'])).stdout,
    ];
    const before = await left();
    await runCommand('sh', ['-c', `head -c 60000000 /dev/zero > ${place}/ballast || true`]);
    await runCommand('truncate', ['-s', '-3M', `${place}/ballast`]);
    for (const args of [
      ['load', '-i', big],
      ['import', big],
      ['commit', 'writer', 'big:2'],
      ['cp', big, 'writer:/again'],
    ] as const) {
      const { stderr } = await full.docker(args, { expectExit: 1 });
      assert.match(
        stderr,
        /no space is left on the disk of the data folder: free some|no space left on device: free some/,
        args[0],
      );
      assert.deepEqual(await left(), before, args[0]);
    }
    await rm(join(place, 'ballast'));
    await full.docker(['start', '-a', 'writer']);
    await full.docker(['commit', 'writer', 'big:2']);
    assert.match((await full.docker(['load', '-i', big])).stdout, /Loaded image: big:1/);
    await full.docker(['rm', 'writer']);
  });
});
