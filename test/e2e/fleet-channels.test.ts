import assert from 'node:assert/strict';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { removeMembership } from '../../runtime-agent/fleet/membership.ts';
import { startAgent } from '../support/agent-process.ts';
import { defer } from '../support/cleanup.ts';
import { AGENT_CACHE, REGISTRY_CACHE } from '../support/compile-cache.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { openTerminal } from '../support/open-terminal.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBigImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

const ROOT = join(import.meta.dirname, '../..');
/** Lines that `talk` writes, and the characters of the line after them. */
const LINES = 60_000;
const LONG = 300_000;
const TALK = `seq 1 ${LINES}; head -c ${LONG} /dev/zero | tr '\\0' x; echo; echo last; exec sleep 9999`;

describe('berth exec and berth logs reach an instance', {
  skip: unlessRoot(),
  timeout: 600_000,
}, async () => {
  const scope = { after };
  const folder = await makeTempDir(scope, 'channels');
  const registry = await startRegistry(scope, { adminPassword: ADMIN_PASSWORD });
  await symlink(join(ROOT, 'server/cli/berth'), join(folder, 'berth'));
  const env = {
    ...REGISTRY_CACHE,
    PATH: `${folder}:${process.env.PATH}`,
    BERTH_SERVER: registry.url,
    BERTH_TOKEN: `admin:${ADMIN_PASSWORD}`,
    DOCKER_CONFIG: folder,
  };
  /** A shell command line, with `berth` on its path. */
  const sh = (line: string, input?: string) =>
    runCommand('sh', ['-c', line], {
      cwd: folder,
      env,
      expectExit: 'any',
      ...(input !== undefined && { input }),
    });
  const start = (...args: readonly string[]) => startProcess(scope, join(folder, 'berth'), args, { env });

  const agent = await startAgent(scope);
  // An agent without a fleet does not start again what the end of the test removes.
  defer(scope, async () => {
    await removeMembership(agent.dataDir);
    await agent.restart();
  });
  const { stdout: joinLine } = await sh('berth host token');
  const words = joinLine.trim().split(' ').slice(1);
  await runCommand(process.execPath, [AGENT_PROGRAM, ...words, '--data', agent.dataDir, '--name', 'web1'], {
    env: AGENT_CACHE,
  });
  const image = `${registry.host}/team/web:main`;
  await pushLayout(await makeBigImage(await imageFolder(scope), 1000, 'one'), image, {
    name: 'admin',
    password: ADMIN_PASSWORD,
  });
  const service = (script: string) => ({
    image,
    command: ['sh', '-c', script],
    stop_grace_period: '1s',
    deploy: { update_config: { monitor: '0s' } },
  });
  const compose = {
    services: { web: service('exec sleep 9999'), talk: service(TALK.replaceAll('$', '$$')) },
  };
  await writeFile(join(folder, 'compose.yaml'), JSON.stringify(compose));
  await untilPasses(async () => assert.match((await sh('berth hosts')).stdout, /^web1 +online/m));
  const deployed = await sh(`berth deploy team/shop ${folder}/compose.yaml`);
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  const WEB = 'team-shop-web-1';
  /** Commands of the instance's processes. */
  const running = async () => (await agent.docker(['top', WEB, '-o', 'pid,args'])).stdout;

  test('with the output, exit codes and options of docker exec', async () => {
    const both = async (options: string, command: string, input = '') => {
      const [ours, dockers] = await Promise.all([
        sh(`berth exec ${options} team/shop web ${command}`, input),
        sh(`docker -H unix://${agent.socket} exec ${options} ${WEB} ${command}`, input),
      ]);
      assert.deepEqual(ours, dockers, `${options} ${command}`);
      return ours;
    };
    const said = await both('', `sh -c 'echo out; echo err >&2; exit 7'`);
    assert.deepEqual(said, { exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
    const as = await both('-u 1000:50 -w /tmp -e A=b -e "C=d e"', `sh -c 'id -u; id -g; pwd; echo $A $C'`);
    assert.equal(as.stdout, '1000\n50\n/tmp\nb d e\n');
    assert.equal((await both('', `sh -c 'kill -9 $$'`)).exitCode, 137);
    assert.equal((await both('-i', 'cat', 'x'.repeat(1_000_000))).stdout.length, 1_000_000);
    assert.equal((await both('', 'cat', 'not passed on')).stdout, '');
    assert.equal((await sh('berth exec -i team/shop web cat </dev/null')).exitCode, 0);
    // The command ends while more input could come.
    const open = `mkfifo ${folder}/open; exec 3<>${folder}/open; berth exec -i team/shop web true <&3`;
    assert.equal((await sh(open)).exitCode, 0);
    assert.equal((await sh('berth exec team/shop web yes | head -n 1')).stdout, 'y\n');
  });

  test('and says on standard error why a command did not run, with a code of its own', async () => {
    for (const [command, exitCode, sentence] of [
      ['web nosuch', 127, /"nosuch": executable file not found in \$PATH/],
      ['web /no/such', 127, /"\/no\/such": .*no such file or directory/],
      ['web /big', 126, /"\/big": permission denied/],
      ['-w /no web true', 126, /\/no/],
      ['-u nosuch web true', 126, /unable to find user nosuch/],
      ['db true', 125, /team\/shop has no such instance/],
      ['--instance 7 web true', 125, /team\/shop has no such instance/],
    ] as const) {
      const [, options = '', rest = ''] = /^((?:-\S+ \S+ )?)(.*)$/.exec(command) ?? [];
      const answer = await sh(`berth exec ${options} team/shop ${rest}`);
      assert.deepEqual([answer.exitCode, answer.stdout], [exitCode, ''], `${command}: ${answer.stderr}`);
      assert.match(answer.stderr, sentence);
      assert.doesNotMatch(answer.stderr, /\n./);
    }
    const unreachable = await sh('berth exec --server http://127.0.0.1:1 team/shop web true');
    assert.deepEqual([unreachable.exitCode, unreachable.stdout], [125, '']);
  });

  test('at a terminal: its size, Ctrl-C, its exit code, and the terminal as it was', async (t) => {
    const line = `tty >${folder}/tty; berth exec -it team/shop web sh; echo code $?; stty | grep -c -- -icanon`;
    const terminal = openTerminal(t, line, env);
    terminal.type('stty size\n');
    await terminal.until(/24 80\r\n/);
    await sh(`stty -F "$(cat ${folder}/tty)" rows 33 cols 99`);
    await untilPasses(async () => {
      terminal.type('stty size\n');
      await terminal.until(/\d+ \d+\r\n/);
      assert.equal((await sh(`stty -F "$(cat ${folder}/tty)" size`)).stdout, '33 99\n');
    });
    terminal.type('stty size | tr " " x\n');
    await terminal.until(/33x99\r\n/);
    terminal.type('sleep 4000\n');
    await untilPasses(async () => assert.match(await running(), /sleep 4000/));
    terminal.type('\x03');
    terminal.type('echo "<$?>"\n');
    await terminal.until(/<130>/);
    terminal.type('exit 5\n');
    await terminal.until(/code 5\r\n0\r\n/);
    assert.doesNotMatch(await running(), /sleep 4000/);
  });

  test('and ends the processes of a command whose client ends', async () => {
    for (const [index, signal] of (['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGKILL'] as const).entries()) {
      const client = start('exec', 'team/shop', 'web', 'sh', '-c', `sleep 500${index} | cat; true`);
      await untilPasses(async () => assert.match(await running(), new RegExp(`sleep 500${index}`)));
      await client.end(signal);
      await untilPasses(async () => assert.doesNotMatch(await running(), /sleep 500/));
    }
  });

  test('and reads all that was written, however slowly it is read', async () => {
    const before = await registry.process().peakRssBytes();
    const lines = `seq 1 ${LINES}; head -c ${LONG} /dev/zero | tr '\\0' x; echo; echo last`;
    for (const follow of ['', '-f']) {
      const { stdout, stderr } = await sh(
        `(${lines}) >expected
        { berth logs ${follow} team/shop talk & echo $! >pid; wait; } |
          { sleep 1; head -n ${LINES + 2} | sed 's/^web1 talk.1 | //' >read; kill $(cat pid) 2>/dev/null; }
        cmp expected read && echo same`,
      );
      assert.deepEqual([stdout, stderr], ['same\n', ''], `logs ${follow}`);
    }
    const grown = (await registry.process().peakRssBytes()) - before;
    assert.ok(grown < 100 * 2 ** 20, `${grown} bytes`);
    const parts = await sh('berth logs --tail 2 --format json team/shop talk');
    const entries = parts.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(entries.map(({ line }) => line).join('').length, LONG + 4);
    assert.deepEqual([entries[0].partial, entries.at(-1).partial], [true, undefined]);
  });

  test('until its host is lost, which is a sentence and exit code 125', async () => {
    const client = start('exec', 'team/shop', 'web', 'sleep', '6000');
    await untilPasses(async () => assert.match(await running(), /sleep 6000/));
    await agent.kill();
    assert.equal((await client.exited).code, 125);
    assert.match(client.output(), /^berth: the connection of the host web1 has ended\n$/);
    await agent.restart();
    await untilPasses(async () => assert.match((await sh('berth hosts')).stdout, /^web1 +online/m));
    assert.doesNotMatch(await running(), /sleep 6000/);
  });

  test('until its registry is killed; logs that are followed go on with the next one', async () => {
    const client = start('exec', 'team/shop', 'web', 'sleep', '7000');
    const reader = start('logs', '-f', '--tail', '1', 'team/shop', 'talk');
    await reader.waitForLine(/^web1 talk.1 \| last$/m);
    await untilPasses(async () => assert.match(await running(), /sleep 7000/));
    await registry.kill();
    assert.equal((await client.exited).code, 125);
    assert.match(
      client.output(),
      /^berth: the connection to the instance was lost, and its command gets SIGHUP\n$/,
    );
    await reader.waitForLine(/^berth: .*connecting again until Ctrl-C$/m);
    await untilPasses(async () => assert.doesNotMatch(await running(), /sleep 7000/));
    await registry.restart();
    await untilPasses(async () => assert.match((await sh('berth hosts')).stdout, /^web1 +online/m));
    await agent.docker(['exec', 'team-shop-talk-1', 'sh', '-c', 'echo again >/proc/1/fd/1']);
    await reader.waitForLine(/^web1 talk.1 \| again$/m);
    const exit = await reader.end('SIGINT');
    assert.deepEqual([exit.code, reader.output().match(/\| last$/gm)?.length], [130, 1]);
  });
});
