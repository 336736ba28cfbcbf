import assert from 'node:assert/strict';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { makeBusyboxTree } from '../support/busybox-tree.ts';
import { makeDebianSlim } from '../support/debian-slim.ts';
import { freePort } from '../support/free-port.ts';
import { sendRequest } from '../support/http-client.ts';
import { longerWait } from '../support/longest-wait.ts';
import { startProcess } from '../support/managed-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

const ROOT = join(import.meta.dirname, '../..');
const skip = unlessRoot();
const PATIENCE = { timeoutMs: longerWait(1_800_000, 'packages of Debian are fetched and unpacked') };

const folder = await makeTempDir({ after }, 'packages');
const dist = join(folder, 'dist');
const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const built = skip === false || skip === undefined ? await makePackages(dist) : '';

/** Makes all packages of this architecture, as `npm run package` does; answers their checksums. */
async function makePackages(output: string): Promise<string> {
  const options = ['--compression', 'none', '--architecture', 'amd64', '--output', output];
  await runCommand(process.execPath, [join(ROOT, 'deploy/package.ts'), ...options], PATIENCE);
  return readFile(join(output, 'SHA256SUMS'), 'utf8');
}

test('the same sources give the same packages', { skip }, async (t) => {
  const again = await makePackages(join(await makeTempDir(t, 'again'), 'dist'));
  assert.equal(again, built);
  assert.deepEqual(
    built.match(/\S+$/gm),
    [
      `berth-${version}-linux-amd64.tar`,
      `berth-${version}.tgz`,
      `berth-agent_${version}_amd64.deb`,
      `berth_${version}_amd64.deb`,
    ].sort(),
  );
});

test('a Debian gets the registry, upgrades, removes and purges it; the data stay', { skip }, async (t) => {
  const root = join(folder, 'debian');
  await makeDebianSlim(root);
  await cp('/etc/apt/apt.conf.d', join(root, 'etc/apt/apt.conf.d'), { recursive: true });
  const inside = (script: string) =>
    runCommand(
      'unshare',
      [
        '--mount',
        '--pid',
        '--fork',
        'sh',
        '-c',
        ENTER,
        'sh',
        root,
        `export DEBIAN_FRONTEND=noninteractive; ${script}`,
      ],
      PATIENCE,
    );
  await cp(join(dist, `berth_${version}_amd64.deb`), join(root, 'root/old.deb'));
  await makeNextVersion(join(root, 'root/old.deb'), join(root, 'root/new.deb'));

  const install = 'apt-get install --yes --no-install-recommends';
  const { stdout } = await inside(`apt-get update -qq && ${install} /root/old.deb`);
  assert.match(stdout, /docker login --username admin 127\.0\.0\.1:5000/);
  assert.equal((await inside('berth --version')).stdout, `${version}\n`);
  assert.match(
    (await inside('stat -c "%a %U %n" /etc/berth/*.env')).stdout,
    /^600 root .*admin\.env\n600 root .*berth\.env\n$/,
  );
  const units = 'usr/lib/systemd/system';
  await runCommand('systemd-analyze', [
    'verify',
    '--man=no',
    `--root=${root}`,
    ...['berth.service', 'berth-backup.service', 'berth-backup.timer', 'berth-backup-verify.service'].map(
      (name) => join(root, units, name),
    ),
  ]);

  const port = await freePort();
  const serve = `set -a; . /etc/berth/admin.env; mkdir -p /var/lib/berth; chown berth: /var/lib/berth; exec setpriv --reuid=berth --regid=berth --clear-groups berth serve --data /var/lib/berth --listen 127.0.0.1:${port}`;
  const registry = startProcess(t, 'unshare', ['--mount', 'sh', '-c', ENTER, 'sh', root, serve]);
  await registry.waitForLine(/berth is ready/);
  const [, password = ''] =
    /BERTH_ADMIN_PASSWORD=(.*)/.exec(await readFile(join(root, 'etc/berth/admin.env'), 'utf8')) ?? [];
  const upload = () =>
    sendRequest(`http://127.0.0.1:${port}/v2/team/app/blobs/uploads/`, {
      method: 'POST',
      user: { name: 'admin', password },
    });
  assert.equal((await upload()).status, 202);

  await writeFile(join(root, 'etc/berth/berth.env'), 'BERTH_LOG_LEVEL=warn\n', { mode: 0o600 });
  await inside(`${install} /root/new.deb`);
  assert.equal((await inside('berth --version')).stdout, `${version}.1\n`);
  assert.equal(await readFile(join(root, 'etc/berth/berth.env'), 'utf8'), 'BERTH_LOG_LEVEL=warn\n');
  assert.equal((await upload()).status, 202, 'the old version runs on until it is restarted');
  await registry.end('SIGTERM');

  await inside(`${install} --allow-downgrades /root/old.deb`);
  assert.equal((await inside('berth --version')).stdout, `${version}\n`);
  await inside('apt-get remove --yes berth');
  assert.deepEqual(await readdir(join(root, 'etc/berth')), ['admin.env', 'berth.env']);
  const purge = await inside('apt-get purge --yes berth');
  assert.match(purge.stdout, /the images in \/var\/lib\/berth stay/);
  assert.deepEqual(
    (await inside('ls -d /etc/berth /usr/lib/berth /var/cache/berth 2>/dev/null || true')).stdout,
    '',
  );
  assert.notDeepEqual(await readdir(join(root, 'var/lib/berth')), []);
  await inside(
    `${install} /root/old.deb && BERTH_PURGE_DATA=yes apt-get purge --yes berth && test ! -e /var/lib/berth`,
  );
});

test('the agent of the archive pulls, builds and runs', { skip }, async (t) => {
  const place = await makeTempDir(t, 'archive');
  await runCommand('tar', ['-C', place, '-xf', join(dist, `berth-${version}-linux-amd64.tar`)]);
  const agent = await startAgent(t, { program: [join(place, `berth-${version}/bin/berth-agent`)] });
  const context = join(place, 'context');
  await makeBusyboxTree(join(context, 'tree'));
  await writeFile(
    join(context, 'Dockerfile'),
    'FROM scratch\nCOPY tree /\nRUN echo built > /file\nCMD ["cat", "/file"]\n',
  );
  await agent.docker(['build', '--quiet', '--tag', 'built', context]);
  assert.equal((await agent.docker(['run', '--rm', '--network', 'none', 'built'])).stdout, 'built\n');
});

test('npm installs the registry without a script, and npx runs it', { skip }, async (t) => {
  const place = await makeTempDir(t, 'npm');
  const env = { npm_config_cache: join(place, 'cache'), npm_config_update_notifier: 'false' };
  await runCommand(
    'npm',
    ['install', '--ignore-scripts', '--no-audit', '--no-fund', join(dist, `berth-${version}.tgz`)],
    { cwd: place, env, ...PATIENCE },
  );
  const { scripts } = JSON.parse(await readFile(join(place, 'node_modules/berth/package.json'), 'utf8'));
  assert.equal(scripts, undefined);
  assert.equal((await runCommand('npx', ['berth', '--version'], { cwd: place, env })).stdout, `${version}\n`);
  const registry = startProcess(
    t,
    join(place, 'node_modules/.bin/berth'),
    ['serve', '--auth', 'none', '--listen', '127.0.0.1:0', '--data', join(place, 'data')],
    {},
  );
  const [, url] = await registry.waitForLine(/berth is ready: (http:\S+)/);
  assert.equal((await sendRequest(`${url}/v2/`)).status, 200);
  const page = (await sendRequest(`${url}/docs/how-to/operate`)).body.toString();
  assert.match(page, /<h1>Operate a registry<\/h1>.*href="\/docs\/deploy#backup"/s);
  assert.equal((await sendRequest(`${url}/docs/security`)).status, 200);
});

/** `sh -c ENTER sh ROOT SCRIPT`: runs a script in a Debian, with processes of its own. */
const ENTER = 'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && exec chroot "$1" sh -ec "$2"';

/** The same package with a later version, as `npm run package` of a later commit would make it. */
async function makeNextVersion(file: string, next: string): Promise<void> {
  const tree = join(dirname(next), 'next');
  await runCommand('dpkg-deb', ['--raw-extract', file, tree]);
  for (const name of ['DEBIAN/control', 'usr/lib/berth/package.json']) {
    const text = await readFile(join(tree, name), 'utf8');
    await writeFile(join(tree, name), text.replaceAll(version, `${version}.1`));
  }
  await runCommand('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, next]);
  await runCommand('rm', ['-rf', tree]);
}
