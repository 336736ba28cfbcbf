import assert from 'node:assert/strict';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeCertificate } from '../support/certificate-authority.ts';
import { defer } from '../support/cleanup.ts';
import { REGISTRY_CACHE } from '../support/compile-cache.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { documentBlocks } from '../support/readme-commands.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork({ ownRun: true });

const root = dirname(dirname(import.meta.dirname));
const options = { skip: unlessRoot(), timeout: 900_000 };

test('the tutorial of a first push', options, async (t) => {
  const said = await follow(t, 'docs/tutorials/first-push.md');
  assert.match(said('docker run'), /^ashore$/m);
  assert.match(said('berth repo ls'), /^team\/hello +1 /m);
  assert.match(said('berth tag cp'), /stable/);
  assert.match(said('berth tag restore'), /team\/hello:1/);
  assert.match(said('berth backup'), /backup/);
});

test('the tutorial of a team: each may do what its role says', options, async (t) => {
  const said = await follow(t, 'docs/tutorials/team.md');
  assert.match(said('docker push registry.example/web/shop:v1', 'ada'), /immutable/);
  assert.match(said('docker run'), /^one$/m);
  assert.match(said('docker push registry.example/web/shop:v1', 'ben'), /denied/);
  assert.match(said('docker pull registry.example/web/shop:main'), /Downloaded newer image|up to date/);
  assert.match(said('berth audit'), /"action":"push".*"outcome":"done"/);
  assert.match(said('berth audit'), /"outcome":"denied"/);
});

test('the tutorial of a move: images of three registries come with their digests', options, async (t) => {
  const image = await makeBusyboxImage(await imageFolder(t));
  const old = await startDockerRegistry(t);
  const harbor = await startRegistry(t, { adminPassword: 'the password of harbor' });
  const hub = await startRegistry(t);
  await pushLayout(image, `${old.host}/team/app:1`);
  const user = { name: 'admin', password: 'the password of harbor' };
  await pushLayout(image, `${harbor.host}/web/shop:1`, user);
  for (const name of ['acme/shop', 'library/busybox']) await pushLayout(image, `${hub.host}/${name}:1`);
  const passwordFile = join(await makeTempDir(t, 'harbor'), 'password');
  await writeFile(passwordFile, 'the password of harbor\n');
  const said = await follow(t, 'docs/tutorials/move.md', {
    'https://docker-registry.example': old.url,
    '/var/lib/docker-registry': old.dataDir,
    'https://harbor.example': harbor.url,
    '/etc/berth/harbor-password': passwordFile,
    'https://registry-1.docker.io': hub.url,
  });
  assert.match(said('--user admin\n'), /^web\/shop: 1 tag; new: 1 manifest/m);
  assert.match(said('--repository web/shop'), /^1 repository: 1 tag; new: 0 manifests/m);
  const login = { name: 'admin', password: said('berth serve') };
  for (const name of ['team/app', 'web/shop', 'acme/shop', 'library/busybox']) {
    assert.match(said('berth fsck'), new RegExp(`^${name} `, 'm'));
    assert.equal(await manifestDigest('http://127.0.0.1:5000', name, '1', login), image.digest, name);
  }
});

/**
 * Runs the blocks of a tutorial from top to bottom, each in the place that its info string names; `places` stand in for those of
 * the text. Answers what the block with a command has printed, of one person if it is named. The one of `berth serve` is the
 * password of the administrator.
 */
async function follow(
  t: TestContext,
  tutorial: string,
  places: Readonly<Record<string, string>> = {},
): Promise<(command: string, who?: string) => string> {
  const machine = await setUp(t, places);
  const passwords = new Map<string, string>();
  const printed: { readonly who: string; readonly text: string; readonly output: string }[] = [];
  const note = (who: string, text: string, output: string) => printed.push({ who, text, output });
  for (const { info, text } of await documentBlocks(tutorial)) {
    const [kind, place = '', end] = info.split(' ');
    if (kind === 'dockerfile') {
      await mkdir(join(machine.folder, dirname(place)), { recursive: true });
      await writeFile(join(machine.folder, place), text);
    } else if (kind === 'sh' && /^berth serve$/m.test(text)) {
      passwords.set('admin', await machine.serve(text));
      note(place, text, passwords.get('admin') ?? '');
    } else if (kind === 'sh') {
      const commands = text.replace(/^docker login -u (\S+)/gm, (_, name: string) => {
        const password = passwords.get(name);
        assert.ok(password, `${name} has no password`);
        return `echo '${password}' | docker login --password-stdin -u ${name}`;
      });
      const { exitCode, stderr, stdout } = await machine.run(place, commands);
      const refused = end === 'refused';
      assert.equal(exitCode !== 0, refused, `${text}\n${stdout}${stderr}`);
      const secrets = stdout.match(/^\S{24,}$/gm) ?? [];
      const accounts = [...text.matchAll(NEW_ACCOUNT)].map(
        ([, user, team, robot]) => user ?? `${team}+${robot}`,
      );
      for (const [index, name] of accounts.entries()) passwords.set(name, secrets[index] ?? '');
      note(place, text, stdout + stderr);
    } else assert.fail(`the block "${info}" is of no kind`);
  }
  return (command, who) => {
    const found = printed.findLast((one) => one.text.includes(command) && (who ?? one.who) === one.who);
    assert.ok(found, `no block has "${command}"`);
    return found.output;
  };
}

/** The commands that print a password or a secret as a line. */
const NEW_ACCOUNT = /^berth (?:user add (\S+)|robot create team:(\S+) (\S+))/gm;

/** One machine with the registry and dockerd, where `registry.example` is known, and people with logins of their own. */
async function setUp(t: TestContext, places: Readonly<Record<string, string>>) {
  const folder = await makeTempDir(t, 'tutorial');
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await symlink(join(root, 'server/cli/berth'), join(bin, 'berth'));
  const tls = await makeCertificate(t, ['registry.example']);
  await writeFile(join(folder, 'hosts'), '127.0.0.1 localhost registry.example\n');
  defer(t, async () => {
    await runCommand('umount', ['/etc/hosts', '/etc/docker']);
  });
  await runCommand('mount', ['--bind', join(folder, 'hosts'), '/etc/hosts']);
  await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', '/etc/docker']);
  await mkdir('/etc/docker/certs.d/registry.example', { recursive: true });
  await cp(tls.authority, '/etc/docker/certs.d/registry.example/ca.crt');
  const dockerd = await startDockerd(t, { network: 'here' });
  const there = (text: string) =>
    Object.entries({
      '/srv/berth': join(folder, 'registry'),
      '/var/backups/berth': join(folder, 'backup'),
      '/etc/berth/registry.crt': tls.certificate,
      '/etc/berth/registry.key': tls.key,
      ...places,
    }).reduce((result, [from, to]) => result.replaceAll(from, to), text);
  const env = { ...REGISTRY_CACHE, PATH: `${bin}:${process.env.PATH}`, DOCKER_HOST: dockerd.host };
  let exports = '';
  return {
    folder,
    /** Starts the registry, whose settings later commands have; answers the password of the administrator. */
    serve: async (text: string) => {
      exports = there(text).replace(/^berth serve$/m, '');
      const running = startProcess(t, 'sh', ['-euc', `${exports}\nexec berth serve`], { env });
      await running.waitForLine(/berth is ready: /);
      const [, password = ''] = await running.waitForLine(/password {2}(\S+)/);
      return password;
    },
    run: (who: string, commands: string) =>
      runCommand('sh', ['-euc', `${exports}\n${there(commands)}`], {
        cwd: folder,
        env: { ...env, DOCKER_CONFIG: join(folder, 'docker', who) },
        expectExit: 'any',
      }),
  };
}
