import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { agentMounts } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { makeComposeApp } from '../support/compose-app.ts';
import { fetchPage, readHostNetwork } from '../support/host-network.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makePostgresImage } from '../support/postgres-image.ts';
import { pushLayout } from '../support/push-layout.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

const SERVICES = ['api', 'db', 'web', 'worker'];

/** What containers leave on a host: counted before the first and after the last. */
async function countLeftovers(dataDir: string) {
  const { links, filter } = await readHostNetwork();
  const { stdout: processes } = await runCommand('ps', ['-eo', 'args']);
  const folder = (name: string) => readdir(join(dataDir, name));
  return {
    links,
    filter,
    processes: processes
      .split('\n')
      .filter(
        (line) => line.includes(`${dataDir}/containers`) || line.includes(`${runDirectory(dataDir)}/runs`),
      ),
    containers: await folder('containers'),
    exits: await readdir(join(runDirectory(dataDir), 'exits')),
  };
}

/** Of the cgroups of this host, those of containers with these IDs. */
async function cgroupsOf(ids: ReadonlySet<string>): Promise<readonly string[]> {
  const { stdout } = await runCommand('find', ['/sys/fs/cgroup', '-type', 'd', '-path', '*/berth/*']);
  return stdout.split('\n').filter((path) => ids.has(basename(path)));
}

describe('docker compose', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, registry, image } = await startAgentWithImage({ after });
  const database = `${registry.host}/team/postgres:15`;
  await pushLayout(await makePostgresImage({ after }), database);
  const app = await makeComposeApp({ after }, agent.docker, { db: database, web: image });
  const { compose } = app;
  const { docker } = agent;
  const inspect = async (name: string, format: string) =>
    (await docker(['inspect', '-f', format, name])).stdout.trim();
  const seen = new Set<string>();
  const ids = async () => {
    const { stdout } = await docker(['ps', '-a', '--no-trunc', '--format', '{{.Names}} {{.ID}}']);
    const found: Record<string, string> = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split(' ')),
    );
    for (const id of Object.values(found)) seen.add(id);
    return found;
  };
  /** A new order. Nobody waits for web, which has no health check, and a page takes five programs. */
  const orders = async () => {
    let answer = { greeting: '', count: 0 };
    await untilPasses(async () => {
      const published = (await compose('port', 'web', '80')).stdout.trim();
      const page = await fetchPage(`http://${published}/cgi-bin/orders`, 60_000);
      const [, greeting = '', count = ''] = /^(\w+): (\d+)$/.exec(page ?? '') ?? [];
      assert.notEqual(count, '', `the API answers ${page}`);
      answer = { greeting, count: Number(count) };
    });
    return answer;
  };
  // The default bridge and the packet filter stay once they are there.
  for (const name of [image, database]) await docker(['run', '--rm', name, 'true']);
  await untilPasses(async () => {
    const { links, processes, containers } = await countLeftovers(agent.dataDir);
    const going = [...links.filter((name) => name.startsWith('veth')), ...processes, ...containers];
    assert.deepEqual(going, [], 'what containers that are removed have goes in the background');
  });
  const before = await countLeftovers(agent.dataDir);
  const mounts = await agentMounts(agent);

  test('pull, config and create make what the file says', async () => {
    await compose('pull', '--quiet');
    assert.match((await compose('config', '--services')).stdout, /^db$/m);
    await compose('create');
    assert.match((await compose('ps', '-a', '--format', '{{.Service}} {{.State}}')).stdout, /^db created$/m);
    const { stdout } = await docker(['network', 'ls', '--format', '{{.Name}}']);
    assert.match(stdout, /^shop_back$/m);
    assert.match(stdout, /^shop_front$/m);
    assert.equal((await docker(['volume', 'ls', '-q'])).stdout, 'shop_data\n');
  });

  test('up -d starts all in the order of their health', async () => {
    await compose('up', '-d');
    const { stdout } = await compose('ps', '--format', '{{.Service}} {{.Status}}');
    const lines = stdout.trim().split('\n').sort();
    assert.deepEqual(
      lines.map((line) => line.split(' ')[0]),
      SERVICES,
    );
    assert.match(lines[0] ?? '', /^api Up .* \(healthy\)$/);
    assert.match(lines[1] ?? '', /^db Up .* \(healthy\)$/);
    assert.match(lines[2] ?? '', /^web Up (?!.*health)/);
    assert.equal(await inspect('shop-migrate-1', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 0');
    const first = await orders();
    assert.equal(first.greeting, 'orders');
    // The health check orders too.
    assert.ok((await orders()).count > first.count);
    await untilPasses(async () => assert.match((await compose('logs', 'worker')).stdout, /shipped [1-9]/));
  });

  test('networks keep services apart that share none', async () => {
    const reach = (service: string, host: string) =>
      docker(app.args('exec', '-T', service, 'wget', '-T', '30', '-q', '-O', '-', `http://${host}:8080/`), {
        expectExit: 'any',
      });
    assert.equal((await reach('web', 'api')).exitCode, 0);
    assert.notEqual((await reach('web', 'db')).exitCode, 0);
    const lookup = await compose('exec', '-T', 'api', 'nslookup', 'database');
    assert.match(lookup.stdout, /10\.213\.77\./);
    const hidden = await docker(app.args('exec', '-T', 'web', 'nslookup', 'database'), { expectExit: 'any' });
    assert.notEqual(hidden.exitCode, 0);
  });

  test('secrets and configs are files, env files are variables', async () => {
    const { stdout } = await compose(
      'exec',
      '-T',
      'api',
      'sh',
      '-c',
      'cat /run/secrets/password; echo; echo $PGUSER $GREETING; touch /run/secrets/password 2>/dev/null || echo read-only',
    );
    assert.equal(stdout, 'ahoy-there\npostgres orders\nread-only\n');
    const published = (await compose('port', 'web', '80')).stdout.trim();
    await untilPasses(async () => assert.equal(await fetchPage(`http://${published}/`), '<h1>Orders</h1>'));
  });

  test('a second up changes nothing', async () => {
    const running = await ids();
    const { stderr } = await compose('up', '-d');
    assert.deepEqual(await ids(), running);
    assert.doesNotMatch(stderr, /Recreat|Creating/);
  });

  test('kill -9 of the agent, and everything goes on', async () => {
    const running = await ids();
    const { count } = await orders();
    await agent.kill();
    await agent.restart();
    assert.deepEqual(await ids(), running);
    assert.ok((await orders()).count > count);
    await untilPasses(async () => {
      const { stdout } = await compose('ps', '--format', '{{.Service}} {{.Status}}');
      assert.equal(stdout.match(/\(healthy\)/g)?.length, 2);
    });
    // Health goes on being looked at.
    const probe = () => inspect('shop-api-1', '{{range .State.Health.Log}}{{.Start}} {{end}}');
    const probes = await probe();
    await untilPasses(async () => assert.notEqual(await probe(), probes));
    await compose('up', '-d');
    assert.deepEqual(await ids(), running);
  });

  test('a changed service alone is recreated, with those that depend on it, and data stay', async () => {
    const { count } = await orders();
    const recreatedBy = async (change: () => Promise<void>) => {
      const running = await ids();
      await change();
      await compose('up', '-d');
      const changed = await ids();
      assert.deepEqual(Object.keys(changed).sort(), Object.keys(running).sort());
      return Object.keys(running)
        .filter((name) => running[name] !== changed[name])
        .sort();
    };
    const path = join(app.folder, 'compose.yaml');
    const edit = async (from: string, to: string) =>
      writeFile(path, (await readFile(path, 'utf8')).replace(from, to));
    assert.deepEqual(await recreatedBy(() => edit('pids_limit: 50', 'pids_limit: 60')), ['shop-worker-1']);
    assert.equal(await inspect('shop-worker-1', '{{.HostConfig.PidsLimit}}'), '60');
    assert.deepEqual(await recreatedBy(() => edit('role: entrance', 'role: door')), ['shop-web-1']);
    assert.equal(await inspect('shop-web-1', '{{.Config.Labels.role}}'), 'door');
    const settings = 'PGHOST=db\nPASSWORD_FILE=/run/secrets/password\nNEW=1\n';
    // Compose recreates what depends on a container that was.
    assert.deepEqual(await recreatedBy(() => writeFile(join(app.folder, 'api.env'), settings)), [
      'shop-api-1',
      'shop-web-1',
    ]);
    assert.ok((await orders()).count > count);
    assert.deepEqual(await recreatedBy(async () => undefined), []);
  });

  test('logs -f shows all services until they stop', async () => {
    const follow = agent.startDocker(app.args('logs', '-f', '--no-color', '--tail', '5'));
    await follow.waitForLine(/worker-1 +\| shipped/m);
    await compose('stop', 'worker');
    await follow.waitForLine(/worker-1 +\| stopping/m);
    assert.equal(await inspect('shop-worker-1', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 0');
    await follow.end('SIGINT');
    await compose('start', 'worker');
  });

  test('exec with and without a terminal, run with and without dependencies', async () => {
    const query = ['sh', '-c', 'PGPASSWORD=$(cat /run/secrets/db_password) psql -h db -tAc "select 6 * 7"'];
    assert.equal((await compose('run', '--rm', '-T', 'worker', ...query)).stdout, '42\n');
    assert.equal(
      (
        await compose(
          'exec',
          '-T',
          '-e',
          'X=it',
          '-u',
          'root',
          '-w',
          '/tmp',
          'db',
          'sh',
          '-c',
          'echo $X $(id -u) $PWD',
        )
      ).stdout,
      'it 0 /tmp\n',
    );
    const failed = await docker(app.args('exec', '-T', 'db', 'sh', '-c', 'exit 9'), { expectExit: 'any' });
    assert.equal(failed.exitCode, 9);
    const run = await docker(app.args('run', '--rm', '-T', '--no-deps', 'web', 'sh', '-c', 'exit 4'), {
      expectExit: 'any',
    });
    assert.equal(run.exitCode, 4);
    assert.deepEqual(
      Object.keys(await ids()).filter((name) => name.includes('-run-')),
      [],
    );
  });

  test('scale up and down', async () => {
    await compose('up', '-d', '--scale', 'worker=3');
    const workers = async () =>
      Object.keys(await ids())
        .filter((name) => name.startsWith('shop-worker-'))
        .sort();
    assert.deepEqual(await workers(), ['shop-worker-1', 'shop-worker-2', 'shop-worker-3']);
    await compose('scale', 'worker=1');
    assert.deepEqual(await workers(), ['shop-worker-1']);
  });

  test('profiles add services', async () => {
    assert.doesNotMatch((await compose('ps', '--services')).stdout, /console/);
    await compose('--profile', 'tools', 'up', '-d', 'console');
    assert.match((await compose('--profile', 'tools', 'ps', '--services')).stdout, /^console$/m);
    await compose('--profile', 'tools', 'rm', '-sf', 'console');
  });

  test('stop, start, restart, pause, kill, top, cp, events, images, ls', async () => {
    await compose('restart', '-t', '5', 'web');
    assert.ok((await orders()).count > 0);
    await compose('pause', 'web');
    assert.match((await compose('ps', '-a', '--format', '{{.Service}} {{.State}}')).stdout, /^web paused$/m);
    await compose('unpause', 'web');
    assert.match((await compose('top', 'db')).stdout, /postgres/);
    await compose('cp', 'web:/www/index.html', join(app.folder, 'copied.html'));
    assert.equal(await readFile(join(app.folder, 'copied.html'), 'utf8'), '<h1>Orders</h1>\n');
    await compose('cp', join(app.folder, 'copied.html'), 'web:/www/copy.html');
    assert.equal((await compose('exec', '-T', 'web', 'cat', '/www/copy.html')).stdout, '<h1>Orders</h1>\n');
    const events = agent.startDocker(app.args('events'));
    await events.waitForLine(/exec_create: .*8080/);
    await events.end('SIGINT');
    assert.match((await compose('images')).stdout, /shop-db-1/);
    assert.match((await docker(['compose', 'ls'])).stdout, /^shop +running\(4\)/m);
    await compose('kill', 'worker');
    await compose('stop', '-t', '5');
    assert.equal((await compose('ps', '-q')).stdout, '');
    await compose('start');
    assert.ok((await orders()).count > 0);
  });

  test('up in the foreground shows the output and stops at Ctrl-C', async () => {
    await compose('stop', '-t', '5');
    const up = agent.startDocker(app.args('up', '--no-color'));
    await up.waitForLine(/worker-1 +\| shipped/m);
    // Compose stops what runs when it is told to, and would start the rest after that.
    await untilPasses(async () => {
      const { stdout } = await compose('ps', '--services', '--status', 'running');
      assert.deepEqual(stdout.trim().split('\n').sort(), SERVICES);
    });
    const { code } = await up.end('SIGINT');
    // Compose panics where it hears of the end of the last container before its call to stop that is answered.
    assert.equal(code, 130, up.output());
    assert.equal((await compose('ps', '-q')).stdout, '');
  });

  test('down -v leaves nothing', async () => {
    await compose('up', '-d');
    await compose('down', '-v', '--remove-orphans', '-t', '5');
    assert.deepEqual(await ids(), {});
    assert.equal((await docker(['volume', 'ls', '-q'])).stdout, '');
    assert.doesNotMatch((await docker(['network', 'ls', '--format', '{{.Name}}'])).stdout, /shop/);
    // The kernel takes a link away some time after its namespace.
    await untilPasses(async () => {
      assert.deepEqual(await countLeftovers(agent.dataDir), before);
      assert.deepEqual(await cgroupsOf(seen), []);
      assert.deepEqual(await agentMounts(agent), mounts);
    });
    assert.ok(seen.size >= 7);
  });
});
