import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { agentMounts } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import type { Docker } from '../support/docker-cli.ts';
import { startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { writeTar } from '../support/tar-writer.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('docker cp', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const host = await makeTempDir({ after }, 'host');
  const out = async (...args: string[]) => (await docker(args)).stdout;
  const run = (name: string, script: string, ...options: string[]) =>
    docker([
      'run',
      '-d',
      '--name',
      name,
      '--network=none',
      ...options,
      image,
      'sh',
      '-c',
      `${script}; exec sleep 1000`,
    ]);

  test('says and does the same as dockerd', async (t) => {
    const dockerd = await startDockerd({ after });
    await dockerd.docker(['pull', '--quiet', image]);
    await mkdir(join(host, 'in/sub/deep'), { recursive: true });
    await writeFile(join(host, 'in/file'), 'file\n');
    await chmod(join(host, 'in/file'), 0o4755);
    await writeFile(join(host, 'in/sub/deep/other'), 'other\n');
    await symlink('deep/other', join(host, 'in/sub/link'));
    await symlink('nowhere', join(host, 'in/dangling'));
    for (const name of ['in/sub/deep/other', 'in/sub/deep', 'in/sub', 'in/file']) {
      await utimes(join(host, name), 1_700_000_000, 1_700_000_000.5);
    }
    const script = [
      'mkdir -p /a/b /a/empty /target',
      'echo one > /a/one',
      'ln /a/one /a/again',
      'ln -s one /a/link',
      'ln -s /a/b /a/folder-link',
      'ln -s /nowhere /a/dangling',
      'ln -s loop /a/loop',
      'mkfifo /a/fifo',
      'chmod 1777 /a/b',
      'chown 1000:1001 /a/one',
      'touch -d "2024-01-02 03:04:05" /a/b /a/one /a/empty',
      'touch -h -d "2024-01-02 03:04:05" /a/link /a/dangling /a/folder-link',
      'touch -d "2024-01-02 03:04:05" /a',
      'touch /ready',
    ].join(' && ');
    const print = async (daemon: Pick<Docker, 'docker' | 'host'>, state: string) => {
      const folder = await makeTempDir(t, 'out');
      const at = (name: string) => join(folder, name);
      const name = `c-${state}`;
      await daemon.docker([
        'run',
        '-d',
        '--name',
        name,
        '--network=none',
        image,
        'sh',
        '-c',
        `${script}; exec sleep 1000`,
      ]);
      await waitUntil('the container has made its files', async () => {
        const ready = await daemon.docker(['cp', `${name}:/ready`, '-'], { expectExit: 'any' });
        return ready.exitCode === 0;
      });
      if (state === 'stopped') await daemon.docker(['stop', '-t', '0', name]);
      const printed: string[] = [];
      const step = async (...args: string[]) => {
        const { exitCode, stdout, stderr } = await daemon.docker(['cp', ...args], { expectExit: 'any' });
        printed.push(`cp ${args.join(' ')}: ${exitCode} ${stdout}${stderr}`);
      };
      const tar = async (path: string) => {
        const { stdout } = await runCommand('sh', [
          '-c',
          `docker -H ${daemon.host} cp ${name}:${path} - | tar --numeric-owner --full-time -tvf - 2>&1 | sort -k6`,
        ]);
        printed.push(`tar ${path}:\n${stdout}`);
      };
      for (const path of [
        '/a',
        '/a/',
        '/a/.',
        '/a/one',
        '/a/link',
        '/a/folder-link',
        '/a/folder-link/',
        '/a/b/./',
      ])
        await tar(path);
      for (const path of ['/a/empty', '/a/dangling', '/a/../a/one', 'a/one', '/a/nosuch/.']) await tar(path);
      const root = await runCommand('sh', [
        '-c',
        `docker -H ${daemon.host} cp ${name}:/ - | tar -tPf - | sed -n 1p`,
      ]);
      printed.push(`tar of / begins with ${root.stdout}`);
      await step(`${name}:/nosuch`, at('x'));
      for (const path of ['/a/one/', '/a/one/.', '/a/one/x']) await step(`${name}:${path}`, '-');
      await step('nosuch:/a', at('x'));
      await step(`${name}:/a/one`, at('one'));
      await step(`${name}:/a/link`, at('copied-link'));
      await step('-L', `${name}:/a/link`, at('followed'));
      await step('-L', `${name}:/a/dangling`, at('followed-dangling'));
      await step(`${name}:/a/one`, at('nosuch/'));
      await step(`${name}:/a/b`, at('b'));
      await step(`${name}:/a/b/.`, at('b-content'));
      await step('-a', `${name}:/a/one`, at('kept-owner'));
      await step(join(host, 'in/file'), `${name}:/target`);
      await step(join(host, 'in/file'), `${name}:/target/renamed`);
      await step(join(host, 'in/file'), `${name}:/target/nosuch/`);
      await step(join(host, 'in/file'), `${name}:/nosuch/deeper/x`);
      await step(join(host, 'in/sub'), `${name}:/target`);
      await step(join(host, 'in/sub'), `${name}:/target/sub-renamed`);
      await step(join(host, 'in/sub/.'), `${name}:/target/content`);
      await step(join(host, 'in/sub'), `${name}:/a/one`);
      await step(join(host, 'in/file'), `${name}:/a/folder-link/through`);
      await step(join(host, 'in/file'), `${name}:/a/link`);
      await step(join(host, 'in/sub'), `${name}:/a/folder-link`);
      await step(join(host, 'in/dangling'), `${name}:/target`);
      await step('-a', join(host, 'in/file'), `${name}:/target/archived`);
      await step(join(host, 'in/nosuch'), `${name}:/target`);
      await tar('/target');
      await tar('/a');
      const copied = await runCommand('sh', ['-c', 'find . -printf "%P %y %m %s %U:%G %l\\n" | sort'], {
        cwd: folder,
      });
      printed.push(copied.stdout);
      await daemon.docker(['rm', '-f', name]);
      return printed.map((text) =>
        text.replaceAll(folder, 'FOLDER').replaceAll(/20(?!2[34])\d\d-\d\d-\d\d \d\d:\d\d:\d\d/g, 'NOW'),
      );
    };
    for (const state of ['running', 'stopped']) {
      assert.deepEqual(await print(agent, state), await print(dockerd, state), state);
    }
  });

  test('volumes, folders of the host and memory, in containers that run and that do not', async () => {
    const folder = join(host, 'mounted');
    await mkdir(folder);
    await writeFile(join(folder, 'of-host'), 'of-host\n');
    const mounts = ['-v', 'vol:/vol', '-v', `${folder}:/host`, '-v', 'vol:/ro:ro', '--tmpfs', '/memory'];
    await run('mounted', 'echo vol > /vol/file; echo mem > /memory/file; ln -s /ro /to-ro', ...mounts);
    await ready('mounted', '/to-ro');
    await writeFile(join(host, 'new'), 'new\n');
    for (const state of ['running', 'stopped']) {
      if (state === 'stopped') await docker(['stop', '-t', '0', 'mounted']);
      const before = await agentMounts(agent);
      assert.equal(await content('mounted:/vol/file'), 'vol\n', state);
      assert.equal(await content('mounted:/host/of-host'), 'of-host\n', state);
      assert.match(await content('mounted:/etc/hosts'), /localhost/, state);
      await docker(['cp', join(host, 'new'), `mounted:/host/by-cp-${state}`]);
      assert.equal(await readFile(join(folder, `by-cp-${state}`), 'utf8'), 'new\n');
      for (const place of ['/ro/x', '/to-ro/x']) {
        assert.match(
          await refused('cp', join(host, 'new'), `mounted:${place}`),
          /mounted volume is marked read-only/,
        );
      }
      if (state === 'running') {
        assert.equal(await content('mounted:/memory/file'), 'mem\n');
        await docker(['cp', join(host, 'new'), 'mounted:/memory/new']);
        assert.equal(await content('mounted:/memory/new'), 'new\n');
      }
      await waitUntil('its mounts are gone', async () => noneButIn(before, await agentMounts(agent)));
    }
    await waitUntil(
      'nothing is left',
      async () => (await readdir(join(runDirectory(agent.dataDir), 'parts'))).length === 0,
    );
    await docker(['start', 'mounted']);
    assert.equal(await content('mounted:/host/by-cp-stopped'), 'new\n');
    await docker(['rm', '-f', 'mounted']);
    await docker(['volume', 'rm', 'vol']);
  });

  test('a container that was never started, and one whose root is read-only', async () => {
    await writeFile(join(host, 'new'), 'new\n');
    await docker([
      'create',
      '--name',
      'fresh',
      '--network=none',
      '-v',
      '/made/here',
      image,
      'cat',
      '/made/here/new',
      '/etc/new',
    ]);
    await docker(['cp', join(host, 'new'), 'fresh:/made/here']);
    await docker(['cp', join(host, 'new'), 'fresh:/etc']);
    assert.equal(await out('start', '-a', 'fresh'), 'new\nnew\n');
    await docker(['rm', '-v', 'fresh']);
    await run('fixed', 'true', '--read-only', '--tmpfs', '/memory', '-v', 'vol:/vol');
    for (const state of ['running', 'stopped']) {
      if (state === 'stopped') await docker(['stop', '-t', '0', 'fixed']);
      assert.match(
        await refused('cp', join(host, 'new'), 'fixed:/etc'),
        /container rootfs is marked read-only/,
      );
      await docker(['cp', join(host, 'new'), 'fixed:/vol']);
      if (state === 'running') await docker(['cp', join(host, 'new'), 'fixed:/memory']);
    }
    await docker(['rm', '-f', 'fixed']);
    await docker(['volume', 'rm', 'vol']);
  });

  test('-a gives the container’s user what is copied in', async () => {
    await run('user', 'true', '--user', '1000:1001');
    await writeFile(join(host, 'new'), 'new\n');
    await docker(['cp', '-a', join(host, 'new'), 'user:/tmp/new']);
    await docker(['cp', join(host, 'new'), 'user:/tmp/plain']);
    const owners = await runCommand('sh', [
      '-c',
      `docker -H ${agent.host} cp user:/tmp - | tar --numeric-owner -tvf - | awk '{print $2, $6}'`,
    ]);
    assert.match(owners.stdout, /1000\/1001 tmp\/new\n0\/0 tmp\/plain\n/);
    await docker(['rm', '-f', 'user']);
  });

  test('links of a container lead nowhere on the host, also while they change', async (t) => {
    const secret = await makeTempDir(t, 'secret');
    await writeFile(join(secret, 'secret'), 'secret\n');
    const before = await lstat(join(secret, 'secret'));
    // A folder that becomes a link to the host and back, as fast as it can.
    const script = [
      `mkdir -p ${secret}/x /swap/dir /swap/hold`,
      `echo mine > ${secret}/secret`,
      'echo mine > /swap/dir/secret',
      `ln -s ${secret} /swap/link`,
      `ln -s ${secret}/secret /to-file`,
      'ln -s /proc/1/root/etc /magic',
      'touch /ready',
      'while :; do mv /swap/dir /swap/hold/dir; mv /swap/link /swap/dir; mv /swap/dir /swap/link; mv /swap/hold/dir /swap/dir; done',
    ].join('; ');
    await run('hostile', script, '--pid=host');
    await ready('hostile', '/ready');
    const work = await makeTempDir(t, 'work');
    await mkdir(join(work, 'in/dir'), { recursive: true });
    await writeFile(join(work, 'in/dir/secret'), 'overwritten\n');
    await writeFile(join(work, 'in/dir/more'), 'more\n');
    for (let round = 0; round < 12; round += 1) {
      for (const path of ['/swap/dir/secret', '/swap/dir', '/swap', `${secret}`]) {
        const { stdout } = await runCommand(
          'sh',
          ['-c', `docker -H ${agent.host} cp hostile:${path} - 2>/dev/null | tar -xOf - 2>/dev/null`],
          { expectExit: 'any' },
        );
        assert.doesNotMatch(stdout, /secret/, path);
      }
      for (const [source, target] of [
        ['in/dir/.', '/swap/dir'],
        ['in/dir', '/swap'],
        ['in/dir/more', '/swap/dir/more'],
        ['in/dir/secret', '/to-file'],
      ] as const) {
        await docker(['cp', join(work, source), `hostile:${target}`], { expectExit: 'any' });
      }
    }
    assert.match(await refused('cp', join(work, 'in/dir/more'), 'hostile:/magic/'), /no such directory/);
    assert.deepEqual(await readdir(secret), ['secret']);
    assert.equal(await readFile(join(secret, 'secret'), 'utf8'), 'secret\n');
    const now = await lstat(join(secret, 'secret'));
    assert.deepEqual(
      [now.ino, now.mode, now.uid, now.mtimeMs],
      [before.ino, before.mode, before.uid, before.mtimeMs],
    );
    await docker(['rm', '-f', 'hostile']);
  });

  test('a tar with tricks stays inside the container', async (t) => {
    const outside = await makeTempDir(t, 'outside');
    await writeFile(join(outside, 'secret'), 'secret\n');
    await docker(['create', '--name', 'target', '--network=none', image]);
    const put = (tar: Uint8Array, path = '/tmp', query = '') =>
      docker(['cp', '-', `target:${path}${query}`], { input: tar, expectExit: 'any' });
    const climb = `${'../'.repeat(20)}${outside.slice(1)}`;
    const cases = {
      climbing: [{ name: `${climb}/x`, type: 'file', content: 'x' }],
      'through a link': [
        { name: 'link', type: 'symlink', target: outside },
        { name: 'link/x', type: 'file', content: 'x' },
      ],
      'over a link': [
        { name: 'over', type: 'symlink', target: `${outside}/secret` },
        { name: 'over', type: 'file', content: 'x' },
      ],
      'a hard link to the host': [{ name: 'hard', type: 'hardlink', target: `${outside}/secret` }],
      'a hard link that climbs': [{ name: 'hard', type: 'hardlink', target: `${climb}/secret` }],
    } as const;
    for (const [what, entries] of Object.entries(cases)) {
      await put(writeTar(entries));
      assert.deepEqual(await readdir(outside), ['secret'], what);
      assert.equal(await readFile(join(outside, 'secret'), 'utf8'), 'secret\n', what);
    }
    assert.match((await put(writeTar(cases.climbing))).stderr, /is outside the folder/);
    assert.match((await put(Buffer.from('no tar at all'.repeat(100)))).stderr, /checksum|ends within/);
    assert.match(
      (await put(writeTar([{ name: 'a', type: 'file', content: 'x'.repeat(3000) }]).subarray(0, 1000)))
        .stderr,
      /ends within an entry/,
    );
    const whiteout = writeTar([{ name: '.wh.passwd', type: 'file', content: 'kept' }]);
    await put(whiteout, '/etc');
    assert.equal(await content('target:/etc/.wh.passwd'), 'kept');
    assert.match(await content('target:/etc/passwd'), /root/);
    for (const [program, args] of [
      ['gzip', ['-c']],
      ['bzip2', ['-c']],
      ['xz', ['-c']],
      ['zstd', ['-qc']],
    ] as const) {
      const plain = join(outside, 'plain.tar');
      await writeFile(plain, writeTar([{ name: program, type: 'file', content: program }]));
      await runCommand('sh', [
        '-c',
        `${program} ${args.join(' ')} ${plain} | docker -H ${agent.host} cp - target:/tmp`,
      ]);
      assert.equal(await content(`target:/tmp/${program}`), program);
    }
    await docker(['rm', 'target']);
  });

  test('a client that hangs up leaves nothing', async () => {
    await run('big', 'head -c 60000000 /dev/zero > /big; touch /ready', '-v', 'vol:/vol');
    await ready('big', '/ready');
    await docker(['stop', '-t', '0', 'big']);
    const before = await agentMounts(agent);
    await runCommand('sh', ['-c', `docker -H ${agent.host} cp big:/ - | head -c 100000 >/dev/null`]);
    await waitUntil('the copy has ended', async () => noneButIn(before, await agentMounts(agent)));
    const sending = request({
      socketPath: agent.socket,
      method: 'PUT',
      path: '/v1.45/containers/big/archive?path=/vol',
    });
    sending.on('error', () => undefined);
    sending.write(
      writeTar([{ name: 'half', type: 'file', content: 'x'.repeat(5_000_000) }]).subarray(0, 3_000_000),
    );
    await waitUntil('half a file is there', async () =>
      (await readdir(join(agent.dataDir, 'volumes/vol/_data'))).includes('half'),
    );
    sending.destroy();
    await waitUntil('the copy has ended', async () => noneButIn(before, await agentMounts(agent)));
    await waitUntil('its descriptors are closed', async () => {
      const count = `ls -l /proc/${agent.process().pid}/fd | grep -c ${runDirectory(agent.dataDir)}/parts || true`;
      return (await runCommand('sh', ['-c', count])).stdout === '0\n';
    });
    await docker(['start', 'big']);
    await docker(['rm', '-f', 'big']);
    await docker(['volume', 'rm', 'vol']);
  });

  async function content(path: string): Promise<string> {
    const { stdout } = await runCommand('sh', ['-c', `docker -H ${agent.host} cp ${path} - | tar -xOf -`]);
    return stdout;
  }

  async function refused(...args: string[]): Promise<string> {
    return (await docker(args, { expectExit: 1 })).stderr;
  }

  async function ready(name: string, path: string): Promise<void> {
    await waitUntil(
      `${path} is there`,
      async () => (await docker(['cp', `${name}:${path}`, '-'], { expectExit: 'any' })).exitCode === 0,
    );
  }
});

function noneButIn(before: readonly string[], now: readonly string[]): boolean {
  return now.every((path) => before.includes(path));
}
