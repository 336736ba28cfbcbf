import assert from 'node:assert/strict';
import { appendFile, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { makeBusyboxTree } from '../support/busybox-tree.ts';
import { makeCertificate, type TestCertificate } from '../support/certificate-authority.ts';
import type { CleanupScope } from '../support/cleanup.ts';
import { makeDebianSlim } from '../support/debian-slim.ts';
import { freePort } from '../support/free-port.ts';
import { sendRequest } from '../support/http-client.ts';
import { imageFolder } from '../support/image-cache.ts';
import { longerWait } from '../support/longest-wait.ts';
import { type ManagedProcess, startProcess } from '../support/managed-process.ts';
import { documentBlocks } from '../support/readme-commands.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

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

test('a day in a bare Debian: users, TLS, backup, upgrade, back again, purge', { skip }, async (t) => {
  const root = join(folder, 'debian');
  await makeDebianSlim(root);
  await cp('/etc/apt/apt.conf.d', join(root, 'etc/apt/apt.conf.d'), { recursive: true });
  await writeFile(
    join(root, 'etc/apt/apt.conf.d/99day'),
    'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n',
  );
  const inside = (script: string) =>
    runCommand(
      'unshare',
      [
        ...['--mount', '--pid', '--fork', 'sh', '-c', ENTER, 'sh', root],
        `export DEBIAN_FRONTEND=noninteractive; cd /root; ${script}`,
      ],
      PATIENCE,
    );
  const next = `${version}.1`;
  const packageOf = (name: string) => join(root, `root/berth_${name}_amd64.deb`);
  await cp(join(dist, `berth_${version}_amd64.deb`), packageOf(version));
  await makeNextVersion(packageOf(version), packageOf(next));

  const install = `apt-get install ./berth_${version}_amd64.deb`;
  const { stdout } = await inside(`apt-get update -qq && ${install}`);
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
  const settings = join(root, 'etc/berth/berth.env');
  await writeFile(settings, `BERTH_LISTEN=127.0.0.1:${port}\n`, { mode: 0o600 });
  const unit = await readFile(join(root, units, 'berth.service'), 'utf8');
  let registry = await startUnit(t, root, unit);
  /** Runs commands of a page, and those of systemctl as systemd would. */
  const follow = async (text: string) => {
    let said = '';
    const here = text.replaceAll('0.2.0', next).replaceAll('0.1.0', version);
    for (const part of here.split(/^(?=systemctl )|(?<=^systemctl .*)\n/m)) {
      const [, verb] = /^systemctl (stop|start|restart) berth$/.exec(part.trim()) ?? [];
      if (verb === 'stop' || verb === 'restart') assert.equal((await registry.end('SIGTERM')).code, 0);
      if (verb === 'start' || verb === 'restart') registry = await startUnit(t, root, unit);
      if (verb !== undefined || part.trim() === '') continue;
      const ran = await inside(part);
      said += ran.stdout + ran.stderr;
    }
    const data = '/var/lib/berth /var/backups/berth';
    assert.equal((await inside(`find ${data} ! -user berth`)).stdout, '', `files of root after: ${text}`);
    return said;
  };

  const [, password = ''] =
    /BERTH_ADMIN_PASSWORD=(.*)/.exec(await readFile(join(root, 'etc/berth/admin.env'), 'utf8')) ?? [];
  const image = await makeBusyboxImage(await imageFolder(t));
  const skopeo = (target: string, trust: readonly string[]) =>
    runCommand('skopeo', [
      ...['copy', '--quiet', ...trust, '--dest-creds', `admin:${password}`],
      ...[`oci:${image.layout}`, `docker://${target}`],
    ]);
  await skopeo(`127.0.0.1:${port}/team/app:1`, ['--dest-tls-verify=false']);

  const team = await documentBlocks('docs/tutorials/team.md');
  for (const { text } of team.filter((one) => /^berth (?:user|grant) add/.test(one.text))) await follow(text);
  assert.match(await follow('berth grant list'), /team:web +web\/\*/);

  const first = await makeCertificate(t);
  const second = await makeCertificate(t);
  const useCertificate = async ({ certificate, key }: TestCertificate) => {
    for (const [from, to] of [
      [certificate, 'registry.crt'],
      [key, 'registry.key'],
    ] as const) {
      await cp(from, join(root, 'root', to));
    }
    await inside('install --mode=0440 --group=berth registry.crt registry.key /etc/berth/');
  };
  await useCertificate(first);
  const tls = ['BERTH_TLS_CERT=/etc/berth/registry.crt', 'BERTH_TLS_KEY=/etc/berth/registry.key'];
  await appendFile(settings, `${tls.join('\n')}\n`);
  await follow('systemctl restart berth\n');
  const push = (tag: string, { authorityFolder }: TestCertificate) =>
    skopeo(`localhost:${port}/web/app:${tag}`, ['--dest-cert-dir', authorityFolder]);
  await push('1', first);
  await useCertificate(second);
  await waitUntil('the renewed certificate is in use', () =>
    push('renewed', second).then(
      () => true,
      () => false,
    ),
  );

  const page = (await documentBlocks('docs/how-to/upgrade.md')).filter(({ info }) =>
    info.startsWith('sh deb'),
  );
  const [check = '', upgrade = '', back = ''] = page.map(({ text }) => text);
  const planned = await follow(check.replace(/--check$/m, '--check || test $? = 1'));
  assert.match(planned, /^0900-later-table +adds +berth downgrade/m);
  // The package is replaced while clients push to the version that runs.
  let isInstalling = true;
  const pushing = (async () => {
    let pushes = 0;
    for (; isInstalling && pushes < 50; pushes += 1) await push(`during-${pushes}`, second);
    return pushes;
  })();
  const [before = '', after = ''] = upgrade.split(/^(?=systemctl)/m);
  assert.match(await follow(before).finally(() => (isInstalling = false)), /checked .* clean/);
  assert.ok((await pushing) > 0);
  await follow(after);
  assert.equal((await inside('berth --version')).stdout, `${next}\n`);
  assert.equal((await inside('ls /var/lib/berth/snapshots | wc -l')).stdout, '1\n');
  assert.match(await readFile(settings, 'utf8'), /BERTH_TLS_CERT/);
  await push('since', second);
  assert.match(await follow(back), /undone: 0900-later-table/);
  assert.equal((await inside('berth --version')).stdout, `${version}\n`);
  assert.match(await follow('berth tag ls web/app'), /^since /m);
  assert.match(await follow('berth tag ls team/app'), /^1 /m);
  await push('again', second);
  await registry.end('SIGTERM');

  await inside('apt-get remove berth');
  assert.ok((await readdir(join(root, 'etc/berth'))).includes('berth.env'));
  await inside('rm /etc/berth/registry.*');
  const purge = await inside('apt-get purge berth');
  assert.match(purge.stdout, /the images in \/var\/lib\/berth stay/);
  assert.deepEqual(
    (await inside('ls -d /etc/berth /usr/lib/berth /var/cache/berth 2>/dev/null || true')).stdout,
    '',
  );
  assert.notDeepEqual(await readdir(join(root, 'var/lib/berth')), []);
  await inside(
    `${install} && BERTH_PURGE_DATA=yes apt-get purge berth && test ! -e /var/lib/berth && test ! -e /var/backups/berth`,
  );
});

/** Starts the registry of a Debian as its unit does: its user, its environment and its folder. */
async function startUnit(scope: CleanupScope, root: string, unit: string): Promise<ManagedProcess> {
  const valuesOf = (key: string) =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
  const [user = ''] = valuesOf('User');
  const [program = ''] = valuesOf('ExecStart');
  const files = valuesOf('EnvironmentFile').map((file) => file.replace(/^-/, ''));
  const script = [
    'set -a',
    ...valuesOf('Environment'),
    ...files.map((file) => `if [ -e ${file} ]; then . ${file}; fi`),
    ...valuesOf('StateDirectory').map(
      (name) => `mkdir -p /var/lib/${name}; chown ${user}: /var/lib/${name}; chmod 0700 /var/lib/${name}`,
    ),
    `exec setpriv --reuid=${user} --regid=${user} --clear-groups ${program}`,
  ].join('\n');
  const registry = startProcess(scope, 'unshare', ['--mount', 'sh', '-c', ENTER, 'sh', root, script]);
  await registry.waitForLine(/berth is ready/);
  return registry;
}

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

/** A step of a later catalog. */
const LATER_STEP = `
CATALOG_MIGRATIONS.steps.push({
  name: '0900-later-table',
  up: (trx) => trx.schema.createTable('later_table', (table) => table.increments('id')),
  down: (trx) => trx.schema.dropTable('later_table'),
});
`;

/** The same package with a later version and a step of its catalog, as `npm run package` of a later commit would make it. */
async function makeNextVersion(file: string, next: string): Promise<void> {
  const tree = join(dirname(next), 'next');
  await runCommand('dpkg-deb', ['--raw-extract', file, tree]);
  for (const name of ['DEBIAN/control', 'usr/lib/berth/package.json']) {
    const text = await readFile(join(tree, name), 'utf8');
    await writeFile(join(tree, name), text.replaceAll(version, `${version}.1`));
  }
  const app = join(tree, 'usr/lib/berth/app');
  for (const name of await readdir(app)) {
    if (!name.endsWith('.js')) continue;
    const file = join(app, name);
    if (/^var CATALOG_MIGRATIONS = /m.test(await readFile(file, 'utf8'))) await appendFile(file, LATER_STEP);
  }
  await runCommand('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, next]);
  await runCommand('rm', ['-rf', tree]);
}
