import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { defer } from '../support/cleanup.ts';
import { sendRequest } from '../support/http-client.ts';
import { startProcess } from '../support/managed-process.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { startRegistry } from '../support/registry-process.ts';
import { type CommandResult, runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

function berth(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  return runCommand(process.execPath, [REGISTRY_PROGRAM, ...args], { env, expectExit: 'any' });
}

/** Exit code 2, one sentence on standard error that names the matter, and nothing else. */
function expectRefusal(result: CommandResult, pattern: RegExp): void {
  assert.equal(result.exitCode, 2, result.stderr);
  assert.match(result.stderr, /^berth: [^\n]+\n$/);
  assert.match(result.stderr, pattern);
  assert.equal(result.stdout, '');
}

test('help and version', async () => {
  for (const args of [['--help'], ['help'], ['-h']]) {
    const result = await berth(args);
    assert.equal(result.exitCode, 0);
    assert.match(result.stdout, /Usage: berth serve/);
  }
  const version = await berth(['--version']);
  assert.equal(version.exitCode, 0);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

test('a password in a URL does not stay on the command line, where everybody can read it', async (t) => {
  const reached = Promise.withResolvers<void>();
  // A database that never answers.
  const database = createServer(() => reached.resolve());
  await new Promise<void>((resolve) => database.listen(0, '127.0.0.1', resolve));
  defer(t, () => {
    database.close();
  });
  const { port } = database.address() as { port: number };
  const url = `postgres://berth:a-p@ss-of-tests@127.0.0.1:${port}/berth`;
  const child = startProcess(t, process.execPath, [REGISTRY_PROGRAM, 'user', 'list', '--database', url]);
  await Promise.race([reached.promise, child.exited]);
  const line = (await readFile(`/proc/${child.pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
  assert.match(line, /^berth user list --database postgres:\/\/berth:…@127\.0\.0\.1/);
  assert.doesNotMatch(line, /of-tests/);
});

test('each command tells its own options and those only, whatever else is asked', async () => {
  const own = [
    ['serve', '--listen'],
    ['gc', '--dry-run'],
    ['fsck', '--repair'],
    ['import', '--jobs'],
    ['catalog', '--force'],
  ] as const;
  const others = own.map(([, option]) => option);
  for (const [command, option] of own) {
    for (const args of command === 'gc'
      ? [
          ['gc', '-h', '--no'],
          ['help', 'gc'],
        ]
      : [[command, '--help']]) {
      const { exitCode, stdout, stderr } = await berth(args);
      assert.deepEqual([exitCode, stderr], [0, '']);
      assert.match(stdout, new RegExp(`^Usage: berth ${command} `, 'm'));
      assert.deepEqual(
        others.filter((other) => stdout.includes(other)),
        [option],
      );
      assert.ok(stdout.split('\n').every((line) => line.length <= 120));
    }
  }
  expectRefusal(await berth(['help', 'gd']), /the command "gd" is not known: did you mean "gc"\?/);
});

test('an option that is not known: exit code 2, and the one that was meant', async () => {
  for (const [args, meant] of [
    [['serve', '--lisen', 'x'], '--listen'],
    [['serve', '--gc-untaged=on'], '--gc-untagged'],
    [['serve', '--dry-run'], undefined],
    [['gc', '--garce', '1h'], '--grace'],
    [['catalog', 'rebuild', '--forced'], '--force'],
    [['--vresion'], '--version'],
    [['srve'], 'serve'],
  ] as const) {
    const end = meant === undefined ? 'lists the known ones' : `did you mean "${meant}"\\?`;
    expectRefusal(await berth(args), new RegExp(`is not known: .*${end}\n$`));
  }
});

test('the launcher runs the same program', async () => {
  const launcher = join(import.meta.dirname, '../../server/cli/berth');
  const result = await runCommand(launcher, ['--version']);
  assert.equal(result.stdout, (await berth(['--version'])).stdout);
});

test('unknown commands, options and values: exit code 2 and one sentence', async (t) => {
  const data = join(await makeTempDir(t), 'data');
  expectRefusal(await berth([]), /no command/);
  expectRefusal(await berth(['server']), /"server" is not known/);
  expectRefusal(await berth(['toString']), /"toString" is not known/);
  expectRefusal(await berth(['--serve']), /option "--serve" is not known/);
  expectRefusal(await berth(['serve', '--port', '1']), /"--port" is not known/);
  expectRefusal(await berth(['serve', 'now']), /"now"/);
  expectRefusal(await berth(['serve', '--listen']), /--listen/);
  expectRefusal(await berth(['serve', '--listen', 'nowhere', '--data', data]), /HOST:PORT/);
  expectRefusal(await berth(['serve', '--auth', 'maybe', '--data', data]), /accounts, token, none/);
  expectRefusal(await berth(['serve', '--config', '/nowhere.json']), /ENOENT/);
  expectRefusal(
    await berth(['serve', '--listen', '203.0.113.1:0', '--data', data, '--auth', 'none']),
    /this machine has no such address/,
  );
});

test('an address in use: exit code 2, it says so, and no password is made that is shown once', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  defer(t, () => {
    other.close();
  });
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as { port: number };
  const taken = `127.0.0.1:${port}`;
  const args = ['serve', '--data', join(await makeTempDir(t), 'd'), '--log-level', 'silent'];
  for (const more of [
    ['--listen', taken],
    ['--listen', '127.0.0.1:0', '--metrics', taken],
  ]) {
    expectRefusal(await berth([...args, ...more]), new RegExp(`127\\.0\\.0\\.1:${port}.*in use`));
  }
});

test('a data folder that another berth works in: exit code 2, and that one goes on', async (t) => {
  const registry = await startRegistry(t);
  const args = ['serve', '--listen', '127.0.0.1:0', '--data', registry.dataDir, '--auth', 'none'];
  expectRefusal(await berth(args), /another berth is already running/);
  const login = await berth(['login', registry.url]);
  assert.equal(login.exitCode, 1);
  assert.match(login.stderr, /is not a Berth registry with accounts, so it has no login\n$/);
  assert.equal((await sendRequest(`${registry.url}/v2/`)).status, 200);
  await registry.kill();
  await registry.restart();
  assert.equal((await sendRequest(`${registry.url}/v2/`)).status, 200);
});

test('data folders that cannot be used: exit code 2', async (t) => {
  const folder = await makeTempDir(t);
  await writeFile(join(folder, 'file'), '');
  const nothing = join(folder, 'nothing');
  expectRefusal(await berth(['catalog', 'upgrade', '--data', nothing]), /nothing has no catalog\.sqlite/);
  const serve = (data: string) =>
    berth(['serve', '--listen', '127.0.0.1:0', '--data', data, '--auth', 'none']);
  expectRefusal(await serve(join(folder, 'file')), /data folder .*file cannot be used/);
  expectRefusal(await serve(join(folder, 'file/below')), /cannot be used \(ENOTDIR\): a file is where/);
  await symlink(join(folder, 'nowhere'), join(folder, 'link'));
  expectRefusal(await serve(join(folder, 'link')), /\(ENOENT\): .*a symbolic link is dangling/);
  expectRefusal(await serve('/proc/berth/data'), /\(ENOENT\): no folder can be created there/);
  expectRefusal(await serve(join(folder, 'x'.repeat(300))), /\(ENAMETOOLONG\): the path is too long/);
  const source = join(folder, 'source');
  await mkdir(join(source, 'docker/registry/v2/repositories'), { recursive: true });
  expectRefusal(
    await berth(['import', '--from', source, '--data', '/proc/berth']),
    /data folder \/proc\/berth cannot be used \(ENOENT\)/,
  );
  const rebuild = await berth(['catalog', 'rebuild', '--data', join(folder, 'file')]);
  expectRefusal(rebuild, /file cannot be used \(ENOTDIR\)/);
  if (process.getuid?.() !== 0) {
    await mkdir(join(folder, 'locked'));
    await chmod(join(folder, 'locked'), 0o500);
    expectRefusal(await serve(join(folder, 'locked')), /EACCES/);
  }
});

test('passwords that may not be chosen: exit code 2, no account, and the password is not repeated', async (t) => {
  const data = join(await makeTempDir(t), 'data');
  const args = ['serve', '--listen', '127.0.0.1:0', '--data', data];
  for (const password of ['', 'Sh0rt!!']) {
    const result = await berth(args, { BERTH_ADMIN_PASSWORD: password });
    expectRefusal(result, /BERTH_ADMIN_PASSWORD cannot be used/);
    assert.equal(result.stderr.includes('Sh0rt!!'), false);
  }
  const started = startProcess(t, process.execPath, [REGISTRY_PROGRAM, ...args]);
  await started.waitForLine(/^ {2}password {2}\S{20,}$/m);
});

test('flags win over the environment, and that over the file; the ready line is printed once', async (t) => {
  const folder = await makeTempDir(t);
  const file = join(folder, 'berth.json');
  const fromFile = { listen: '203.0.113.1:1', data: join(folder, 'file'), auth: 'none', logLevel: 'warn' };
  await writeFile(file, JSON.stringify(fromFile));
  const started = startProcess(
    t,
    process.execPath,
    [REGISTRY_PROGRAM, 'serve', '--config', file, '--listen', '127.0.0.1:0'],
    {
      env: { BERTH_LISTEN: '203.0.113.2:2', BERTH_DATA: join(folder, 'env') },
    },
  );
  const pattern = /^berth is ready: (http:\/\/127\.0\.0\.1:\d+) \(data in (.*)\)$/m;
  const [, url, data] = await started.waitForLine(pattern);
  assert.equal(data, join(folder, 'env'));
  assert.equal((await sendRequest(`${url}/v2/`)).status, 200);
  assert.deepEqual((await readdir(folder)).sort(), ['berth.json', 'env']);
  assert.equal((await started.end('SIGINT')).code, 0);
  assert.equal(started.output().match(/berth is ready/g)?.length, 1);
  assert.equal(started.output().includes('"msg":"request"'), false);
});

test('what is stored can be read by its owner only', async (t) => {
  const registry = await startRegistry(t);
  await registry.stop();
  const modes = new Map<string, number>();
  for (const entry of await readdir(registry.dataDir, { recursive: true })) {
    modes.set(entry, (await stat(join(registry.dataDir, entry))).mode & 0o077);
  }
  assert.ok(modes.size > 3);
  assert.deepEqual(
    [...modes].filter(([, mode]) => mode !== 0),
    [],
  );
});

test('every request is one line of JSON in the log', async (t) => {
  const folder = await makeTempDir(t);
  const log = join(folder, 'log');
  const command = `exec "$0" "$1" serve --listen 127.0.0.1:0 --data "$2/data" --auth none 2>"$2/log"`;
  const started = startProcess(t, 'sh', ['-c', command, process.execPath, REGISTRY_PROGRAM, folder]);
  const [, url] = await started.waitForLine(/^berth is ready: (\S+)/m);
  await sendRequest(`${url}/v2/team/app/manifests/1?secret=hidden`, {
    headers: { authorization: 'Basic c2VjcmV0' },
  });
  await started.end('SIGTERM');
  const lines = (await readFile(log, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const requests = lines.filter(({ msg }) => msg === 'request');
  assert.equal(requests.length, 1);
  const { method, path, status, remote, ms, bytesIn, bytesOut } = requests[0];
  assert.deepEqual(
    { method, path, status, remote },
    {
      method: 'GET',
      path: '/v2/team/app/manifests/1',
      status: 404,
      remote: '127.0.0.1',
    },
  );
  assert.ok(ms >= 0 && bytesIn > 50 && bytesOut > 50);
  assert.equal(/hidden|c2VjcmV0/.test(JSON.stringify(lines)), false);
});
