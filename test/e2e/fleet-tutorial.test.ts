import assert from 'node:assert/strict';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DeviceLogins } from '../../auth/sessions/device-logins.ts';
import { openTestAuthStore } from '../support/auth-store.ts';
import { makeCertificate } from '../support/certificate-authority.ts';
import { REGISTRY_CACHE } from '../support/compile-cache.ts';
import { startDockerd } from '../support/dockerd.ts';
import { GATEWAY, type HostMachine, startHostMachine } from '../support/host-machine.ts';
import { startProcess } from '../support/managed-process.ts';
import { openTerminal } from '../support/open-terminal.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { type DocumentBlock, documentBlocks } from '../support/readme-commands.ts';
import { type CommandResult, runCommand } from '../support/run-command.ts';
import { startSteadyClients } from '../support/steady-clients.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork({ ownRun: true });

const root = dirname(dirname(import.meta.dirname));

test('the tutorial of the fleet: three hosts, a push that rolls out, one that fails, and a rollback', {
  skip: unlessRoot(),
  timeout: 900_000,
}, async (t) => {
  const blocks = await documentBlocks('docs/tutorials/fleet.md');
  const of = (where: string) =>
    blocks.filter((block) => block.info === `sh ${where}`).map(({ text }) => text);
  const machine = await setUp(t);
  const { laptop, onRegistry, serve } = machine;

  const [settings = '', token = ''] = of('registry');
  const served = serve(settings);
  await served.waitForLine(/berth is ready: /);
  const hosts: HostMachine[] = [];
  for (const number of [1, 2, 3]) hosts.push(await startHostMachine(t, `web${number}`, number));
  const [agent = '', join = ''] = of('host');
  for (const host of hosts) {
    const started = host.start(agent);
    await started.waitForLine(/^berth-agent is ready: /m);
    const { stdout } = await onRegistry(token);
    assert.match(stdout, /^berth-agent join https:\/\/registry\.example bjt_\S+\n$/);
    await host.run(join.replace('TOKEN', stdout.trim().split(' ').at(-1) ?? ''));
  }

  const files = blocks.filter(({ info }) => /^(?:dockerfile|yaml) /.test(info));
  await Promise.all(files.map((file) => writeBlock(machine.folder, file)));
  const [login = '', first = '', second = '', third = '', back = '', again = '', ...later] = of('laptop');
  const [toAndFro = '', secret = '', daily = '', drain = '', undrain = ''] = later;
  assert.equal(later.length, 5);
  const [loginLine = '', ...rest] = login.split('\n');
  await machine.logIn(loginLine);
  const listed = await laptop(rest.join('\n'));
  assert.equal(listed.stdout.match(/^web\d +online +role=web/gm)?.length, 3, listed.stdout);

  const deployed = await laptop(first);
  assert.match(deployed.stderr, /^team\/shop: release 1 is healthy$/m);
  assert.equal(deployed.stdout.match(/^web\d +web +\d +\w{12} +1 +running +healthy$/gm)?.length, 3);

  const clients = hosts.map(({ address }) => startSteadyClients(t, `http://${address}`, 'shop.example', 1));
  const pages = async (text: string) => {
    for (const host of hosts) assert.equal((await fetchShop(host)).trim(), text, host.name);
  };
  await pages('one');
  await machine.push(second, { release: 2, state: 'done' });
  await pages('two');
  const failed = await machine.push(third, { release: 3, state: 'rolled back' });
  assert.match(failed.stdout, /^3 +rolled back +push of team\/web:main by admin .*web1: /m);
  await pages('two');

  const { stderr } = await laptop(back);
  assert.match(stderr, /^team\/shop: release 4 is healthy$/m);
  await pages('one');

  await machine.push(again, { release: 5, state: 'done' });
  await pages('four');
  const history = await machine.push(toAndFro, { release: 7, state: 'done' });
  assert.match(history.stdout, /^6 +done +rollback to 4 by admin /m);
  await pages('four');

  await writeFile(`${machine.folder}/password.txt`, 'hunter2');
  const kept = await laptop(secret);
  assert.match(kept.stderr, /^team\/shop: release 8 is healthy$/m);
  assert.match(kept.stdout, /hunter2$/);
  await pages('four');

  const every = await laptop(daily);
  assert.match(every.stdout, /^team\/shop +8 +done +8 +following /m);
  assert.match(every.stdout, /^team\/shop +8 +web +web1 web2 web3$/m);
  assert.match(every.stdout, /^DB_PASSWORD +1 +/m);
  assert.match(every.stdout, /^index\.html$/m);
  assert.match(every.stdout, /^web3 +web +1 +replace$/m);
  const [logs = '', shell = ''] = of('terminal').flatMap((text) => text.trim().split('\n'));
  const reader = machine.terminal(logs);
  for (const { name } of hosts) await reader.until(new RegExp(`^${name} web\\.\\d \\| .*response:200`, 'm'));
  reader.type('\x03');
  assert.equal((await reader.ended).exitCode, 130);
  const session = machine.terminal(shell);
  session.type('echo "<$(/bin/busybox cat /www/index.html)>"; exit 7\n');
  await session.until(/<four>/);
  assert.equal((await session.ended).exitCode, 7);

  for (const client of clients) {
    await client.stop();
    assert.deepEqual([...client.failed], []);
    assert.ok([...client.answered.values()].reduce((sum, count) => sum + count, 0) > 100);
  }

  const places = async () =>
    (await laptop('berth ps team/shop')).stdout.match(/^web\d(?= +web .* healthy)/gm);
  await laptop(drain);
  await untilPasses(async () => assert.deepEqual(await places(), ['web1', 'web2']));
  await laptop(undrain);
  await untilPasses(async () => assert.deepEqual(await places(), ['web1', 'web2', 'web3']));
  await pages('four');
});

async function writeBlock(folder: string, { info, text }: DocumentBlock): Promise<void> {
  const path = join(folder, info.split(' ')[1] ?? '');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

async function fetchShop({ address }: HostMachine): Promise<string> {
  const { stdout } = await runCommand('curl', ['-sf', '-H', 'Host: shop.example', `http://${address}/`]);
  return stdout;
}

/** A registry and a laptop in the namespace of the test, where `registry.example` is known and docker trusts it. */
async function setUp(t: TestContext) {
  const folder = await makeTempDir(t, 'fleet');
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await symlink(join(root, 'server/cli/berth'), join(bin, 'berth'));
  const tls = await makeCertificate(t, ['registry.example']);
  await nameRegistry(folder, tls.authority);
  const chain = join(folder, 'registry.crt');
  await writeFile(
    chain,
    `${await readFile(tls.certificate, 'utf8')}${await readFile(tls.authority, 'utf8')}`,
  );
  const dockerd = await startDockerd(t);
  const data = join(folder, 'registry');
  const laptopEnv = {
    PATH: `${bin}:${process.env.PATH}`,
    DOCKER_CONFIG: join(folder, 'docker'),
    DOCKER_HOST: dockerd.host,
    BERTH_CA: tls.authority,
  };
  const there = (text: string) =>
    text
      .replaceAll('/srv/berth', data)
      .replaceAll('/etc/berth/registry.crt', chain)
      .replaceAll('/etc/berth/registry.key', tls.key);
  let exports = '';

  const laptop = (commands: string, expectExit: number | 'any' = 0): Promise<CommandResult> =>
    runCommand('sh', ['-euc', commands], { cwd: folder, env: laptopEnv, expectExit });

  const history = async () => {
    const { stdout } = await laptop('berth history team/shop --format jsonl --limit 1');
    const { release, state } = JSON.parse(stdout);
    return { release, state };
  };

  return {
    folder,
    laptop,
    /** Starts the registry; commands of `onRegistry` then have its settings. */
    serve: (text: string) => {
      exports = there(text).replace(/^berth serve$/m, '');
      return startProcess(t, 'sh', ['-euc', there(text).replace(/^berth serve$/m, 'exec berth serve')], {
        env: { ...REGISTRY_CACHE, PATH: laptopEnv.PATH },
      });
    },
    terminal: (command: string) => openTerminal(t, `cd ${folder}; exec ${command}`, laptopEnv),
    onRegistry: (command: string) =>
      runCommand('sh', ['-euc', `${exports}\n${command}`], { env: { PATH: laptopEnv.PATH } }),
    /** Runs `berth login`, and confirms it as somebody would in a browser. */
    logIn: async (command: string) => {
      const started = startProcess(t, 'sh', ['-euc', command], { cwd: folder, env: laptopEnv });
      const [, code = ''] = await started.waitForLine(/user_code=(\S+)/);
      const devices = new DeviceLogins(await openTestAuthStore(t, join(data, 'catalog.sqlite')));
      await devices.answer(code, 'admin', 'yes');
      const { code: exitCode } = await started.exited;
      assert.equal(exitCode, 0, started.output());
    },
    /** Runs commands that end with `berth history`, which waits until the push before it has come to its end. */
    push: async (commands: string, end: { readonly release: number; readonly state: string }) => {
      const lines = commands.trim().split('\n');
      assert.match(lines.at(-1) ?? '', /^berth history/);
      await laptop(lines.slice(0, -1).join('\n'));
      await untilPasses(async () => assert.deepEqual(await history(), end));
      return laptop(lines.at(-1) ?? '');
    },
  };
}

async function nameRegistry(folder: string, authority: string): Promise<void> {
  await writeFile(join(folder, 'hosts'), `127.0.0.1 localhost\n${GATEWAY} registry.example\n`);
  await runCommand('mount', ['--bind', join(folder, 'hosts'), '/etc/hosts']);
  await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', '/etc/docker']);
  await mkdir('/etc/docker/certs.d/registry.example', { recursive: true });
  await cp(authority, '/etc/docker/certs.d/registry.example/ca.crt');
}
