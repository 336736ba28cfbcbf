import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseLimits } from '../../auth/administration/limits.ts';
import { makePersonalToken, makeRobot } from '../../auth/administration/make-credential.ts';
import { openTestAuthStore } from '../support/auth-store.ts';
import { startContainerd } from '../support/containerd.ts';
import { setUpCosign } from '../support/cosign.ts';
import { startDockerd } from '../support/dockerd.ts';
import { hashPassword } from '../support/hash-password.ts';
import { sendRequest } from '../support/http-client.ts';
import { imageFolder } from '../support/image-cache.ts';
import { loadIntoDocker } from '../support/load-into-docker.ts';
import { setUpPodman } from '../support/podman.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { type CommandResult, runCommand } from '../support/run-command.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

// What people and robots may do, with the programs that they use: ada writes to team/*, the robot reads it, everybody
// reads pub/*, and nobody of them other/*.
const options = { skip: unlessRoot(), timeout: 900_000 };
const scope = { after };
const adminPassword = 'right-password';
const registry = await startRegistry(scope, { adminPassword });
const { host } = registry;
const store = await openTestAuthStore(scope, join(registry.dataDir, 'catalog.sqlite'));
const password = 'pässword: of ada';
const passwordHash = await hashPassword(password);
await store.accounts.create({ name: 'ada', passwordHash, admin: false, createdAt: new Date() });
await store.roles.put({ holder: { kind: 'user', name: 'ada' }, pattern: 'team/*', role: 'writer' });
await store.roles.put({ holder: { kind: 'public' }, pattern: 'pub/*', role: 'reader' });
const token = (await makePersonalToken(store.credentials, 'ada', 'tests', {})).secret;
const robotOwner = { kind: 'user', name: 'admin' } as const;
const robot = await makeRobot(store.credentials, robotOwner, 'ci', { limits: parseLimits(['team/*:pull']) });
const image = await makeBusyboxImage(await imageFolder(scope));
for (const name of ['team', 'other', 'pub']) {
  await pushLayout(image, `${host}/${name}/app:1`, { name: 'admin', password: adminPassword });
}

/** Writers, by what they log in with, and the reader. */
const WRITERS = { password, token };
const ROBOT = { user: robot.credential.name, secret: robot.secret };
const REFUSED = /denied|unauthorized|authentication required|insufficient_scope|401|403/i;

async function isRefused(run: Promise<CommandResult>): Promise<void> {
  const { exitCode, stderr, stdout } = await run;
  assert.notEqual(exitCode, 0, stdout);
  assert.match(stderr, REFUSED);
}

/** An identity token, as docker gets it. */
async function identityToken(user: string, secret: string): Promise<string> {
  const url = `${registry.url}/token?service=berth&offline_token=true&client_id=docker`;
  const { body } = await sendRequest(url, { user: { name: user, password: secret } });
  return JSON.parse(body.toString()).refresh_token;
}

/** A config.json or auth.json that holds an identity token and no password. */
async function identityConfig(folder: string, user: string, secret: string): Promise<string> {
  const file = join(folder, 'config.json');
  const auth = Buffer.from(`${user}:`).toString('base64');
  const entry = { auth, identitytoken: await identityToken(user, secret) };
  await mkdir(folder, { recursive: true });
  await writeFile(file, JSON.stringify({ auths: { [host]: entry } }));
  return file;
}

test('docker logs in, keeps an identity token, and does what the account may', options, async (t) => {
  const { docker, directory } = await startDockerd(t);
  const login = (user: string, input: string) =>
    docker(['login', `--username=${user}`, '--password-stdin', host], { input });
  await docker(['pull', `${host}/pub/app:1`]);
  await isRefused(docker(['pull', `${host}/team/app:1`], { expectExit: 'any' }));
  await loadIntoDocker(t, { docker }, image, `${host}/team/docker:1`);
  await isRefused(docker(['push', `${host}/team/docker:1`], { expectExit: 'any' }));

  for (const [kind, secret] of Object.entries(WRITERS)) {
    assert.match((await login('ada', secret)).stdout, /Login Succeeded/, kind);
    const kept = JSON.parse(await readFile(join(directory, 'cli/config.json'), 'utf8')).auths[host];
    assert.match(kept.identitytoken, /^berth_ref_/);
    assert.equal(JSON.stringify(kept).includes(secret), false);
    await docker(['push', `${host}/team/docker:1`]);
    await docker(['pull', `${host}/team/app:1`]);
    await docker(['tag', `${host}/team/app:1`, `${host}/team/mounted-${kind}:1`]);
    const pushed = await docker(['push', `${host}/team/mounted-${kind}:1`]);
    assert.match(pushed.stdout, /Mounted from team\/|Layer already exists/);
    await docker(['tag', `${host}/team/app:1`, `${host}/other/docker:1`]);
    await isRefused(docker(['push', `${host}/other/docker:1`], { expectExit: 'any' }));
    await isRefused(docker(['pull', `${host}/other/app:1`], { expectExit: 'any' }));
  }
  const found = await docker(['search', '--format={{.Name}}', `${host}/app`]);
  assert.match(found.stdout, /team\/app/);
  assert.doesNotMatch(found.stdout, /other\/app/);

  await login(ROBOT.user, ROBOT.secret);
  await docker(['pull', `${host}/team/app:1`]);
  await isRefused(docker(['push', `${host}/team/docker:1`], { expectExit: 'any' }));
  await docker(['logout', host]);
  await isRefused(docker(['pull', `${host}/team/docker:1`], { expectExit: 'any' }));
});

test('an identity token that was revoked lets docker in no more', options, async (t) => {
  const { docker, directory } = await startDockerd(t);
  await docker(['login', '--username=ada', '--password-stdin', host], { input: password });
  await docker(['pull', `${host}/team/app:1`]);
  const { auths } = JSON.parse(await readFile(join(directory, 'cli/config.json'), 'utf8'));
  const berth = (...args: readonly string[]) =>
    runCommand(process.execPath, [REGISTRY_PROGRAM, 'token', ...args, '--data', registry.dataDir]);
  for (const line of (await berth('list', 'ada')).stdout.split('\n')) {
    if (line.includes('login by docker')) await berth('revoke', line.split(' ')[0] ?? '');
  }
  assert.match(auths[host].identitytoken, /^berth_ref_/);
  await isRefused(docker(['pull', `${host}/team/app:1`], { expectExit: 'any' }));
});

test('docker says why a rule of tags or a quota refuses a push', options, async (t) => {
  const { docker } = await startDockerd(t);
  const berth = (...args: readonly string[]) =>
    runCommand(process.execPath, [REGISTRY_PROGRAM, ...args, '--data', registry.dataDir]);
  await docker(['login', '--username=ada', '--password-stdin', host], { input: password });
  await loadIntoDocker(t, { docker }, image, `${host}/team/rules/app:v1`);
  await docker(['push', `${host}/team/rules/app:v1`]);
  await berth('tag-rule', 'add', 'team/rules/*', '--tags', 'v*', '--immutable');
  const other = (await docker(['create', `${host}/team/rules/app:v1`, 'x'])).stdout.trim();
  await docker(['commit', '--message=other', other, `${host}/team/rules/app:v1`]);
  const moved = await docker(['push', `${host}/team/rules/app:v1`], { expectExit: 1 });
  assert.match(
    moved.stderr,
    /^denied: the tag v1 is immutable \(v\*\) and is already sha256:[0-9a-f]{64}: push under another tag\n$/,
  );

  await berth('quota', 'set', 'team/full/*', '1000');
  await docker(['tag', `${host}/team/rules/app:v1`, `${host}/team/full/app:1`]);
  const full = await docker(['push', `${host}/team/full/app:1`], { expectExit: 1 });
  assert.match(
    full.stderr,
    /^denied: the quota of team\/full\/\* is \d+ bytes and this would make \d+: delete images there.*\n$/,
  );
});

/** A credential helper that keeps what it is given in a file (docker-credential-helpers, "Development"). */
const HELPER = `#!/bin/sh
file="$(dirname "$0")/kept"
case "$1" in
  store) cat >"$file" ;;
  get) cat >/dev/null; [ -e "$file" ] && cat "$file" || { echo 'credentials not found in native keychain'; exit 1; } ;;
  erase) cat >/dev/null; rm -f "$file" ;;
  list) echo '{}' ;;
esac
`;

test('docker keeps the identity token with a credential helper', options, async (t) => {
  const { docker, directory } = await startDockerd(t);
  const bin = join(directory, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'docker-credential-berth-test'), HELPER, { mode: 0o755 });
  const config = { credHelpers: { [host]: 'berth-test' } };
  await writeFile(join(directory, 'cli/config.json'), JSON.stringify(config));
  const env = { PATH: `${bin}:${process.env.PATH}` };
  await docker(['login', '--username=ada', '--password-stdin', host], { input: password, env });
  const kept = JSON.parse(await readFile(join(bin, 'kept'), 'utf8'));
  assert.match(kept.Secret, /^berth_ref_/);
  await docker(['pull', `${host}/team/app:1`], { env });
  await isRefused(docker(['pull', `${host}/other/app:1`], { env, expectExit: 'any' }));
  await docker(['logout', host], { env });
  await isRefused(docker(['pull', `${host}/team/app:1`], { env, expectExit: 'any' }));
});

test('podman: passwords, tokens, robots and identity tokens', options, async (t) => {
  const { podman, root } = await setUpPodman(t);
  const loaded = (await podman(['pull', '--quiet', `oci:${image.layout}:${image.refName}`])).stdout.trim();
  const plain = '--tls-verify=false';
  const login = (user: string, input: string) =>
    podman(['login', plain, `--username=${user}`, '--password-stdin', host], { input });
  await podman(['pull', plain, `${host}/pub/app:1`]);
  await isRefused(podman(['pull', plain, `${host}/team/app:1`], { expectExit: 'any' }));
  for (const [kind, secret] of Object.entries(WRITERS)) {
    assert.match((await login('ada', secret)).stdout, /Login Succeeded/, kind);
    await podman(['push', plain, loaded, `${host}/team/podman-${kind}:1`]);
    await podman(['pull', plain, `${host}/team/app:1`]);
    await isRefused(podman(['push', plain, loaded, `${host}/other/podman:1`], { expectExit: 'any' }));
    await isRefused(podman(['pull', plain, `${host}/other/app:1`], { expectExit: 'any' }));
  }
  await login(ROBOT.user, ROBOT.secret);
  await podman(['pull', plain, `${host}/team/app:1`]);
  await isRefused(podman(['push', plain, loaded, `${host}/team/podman:1`], { expectExit: 'any' }));

  const authFile = `--authfile=${await identityConfig(join(root, '../identity'), 'ada', password)}`;
  await podman(['push', plain, authFile, loaded, `${host}/team/podman-identity:1`]);
  await isRefused(podman(['push', plain, authFile, loaded, `${host}/other/podman:1`], { expectExit: 'any' }));
});

test('skopeo: copies, and mounts between repositories', options, async (t) => {
  const { skopeo, directory } = await setUpSkopeo(t);
  const from = (creds: string) => `--src-creds=${creds}`;
  const to = (creds: string) => `--dest-creds=${creds}`;
  const target = (name: string) => `docker://${host}/${name}`;
  await skopeo(['inspect', target('pub/app:1')]);
  for (const [kind, secret] of Object.entries(WRITERS)) {
    const ada = `ada:${secret}`;
    await skopeo(['copy', from(ada), to(ada), target('team/app:1'), target(`team/skopeo-${kind}:1`)]);
    await isRefused(
      skopeo(['copy', from(ada), to(ada), target('team/app:1'), target('other/skopeo:1')], {
        expectExit: 'any',
      }),
    );
    await isRefused(skopeo(['inspect', `--creds=${ada}`, target('other/app:1')], { expectExit: 'any' }));
  }
  const reader = `${ROBOT.user}:${ROBOT.secret}`;
  await skopeo(['inspect', `--creds=${reader}`, target('team/app:1')]);
  await isRefused(
    skopeo(['copy', to(reader), `oci:${image.layout}:${image.refName}`, target('team/skopeo:1')], {
      expectExit: 'any',
    }),
  );
  const authFile = `--authfile=${await identityConfig(join(directory, 'identity'), 'ada', password)}`;
  await skopeo(['copy', authFile, target('team/app:1'), target('team/skopeo-identity:1')]);
  await isRefused(skopeo(['inspect', authFile, target('other/app:1')], { expectExit: 'any' }));
});

test('oras: artifacts, and lists of what one may see', options, async (t) => {
  const directory = await makeTempDir(t, 'oras');
  await writeFile(join(directory, 'notes.txt'), 'what was shipped\n');
  const plain = (command: string) => (command.startsWith('cp') ? '--to-plain-http' : '--plain-http');
  const oras = (command: string, ...args: readonly string[]) =>
    runCommand('oras', [...command.split(' '), plain(command), ...args], {
      cwd: directory,
      env: { HOME: directory, DOCKER_CONFIG: join(directory, 'docker') },
      expectExit: 'any',
    });
  const succeeds = async (run: Promise<CommandResult>) => {
    const result = await run;
    assert.equal(result.exitCode, 0, result.stderr);
    return result.stdout;
  };
  for (const [kind, secret] of Object.entries(WRITERS)) {
    const ada = ['-u', 'ada', '-p', secret];
    await succeeds(oras('push', ...ada, `${host}/team/oras-${kind}:1`, 'notes.txt'));
    await isRefused(oras('blob push', ...ada, `${host}/other/oras`, 'notes.txt'));
    const listed = await succeeds(oras('repo ls', ...ada, host));
    assert.ok(listed.includes('team/app') && listed.includes('pub/app') && !listed.includes('other'), listed);
  }
  const reader = ['-u', ROBOT.user, '-p', ROBOT.secret];
  await succeeds(oras('pull', ...reader, '--output=back', `${host}/team/oras-token:1`));
  await isRefused(oras('blob push', ...reader, `${host}/team/oras`, 'notes.txt'));

  await isRefused(oras('resolve', `${host}/team/app:1`));
  await identityConfig(join(directory, 'docker'), 'ada', password);
  await succeeds(oras('resolve', `${host}/team/app:1`));
  await succeeds(oras('cp --from-plain-http', `${host}/team/app:1`, `${host}/team/oras:2`));
  await isRefused(oras('blob push', `${host}/other/oras`, 'notes.txt'));
});

test('cosign signs as whoever may write, and verifies as whoever may read', options, async (t) => {
  const { cosign, directory } = await setUpCosign(t);
  const signed = `${host}/team/app@${image.digest}`;
  const login = (user: string, secret: string) => cosign(['login', host, '-u', user, '-p', secret]);
  await login(ROBOT.user, ROBOT.secret);
  await isRefused(cosign(['sign', signed], { expectExit: 'any' }));
  await login('ada', token);
  await cosign(['sign', signed]);
  await isRefused(cosign(['sign', `${host}/other/app@${image.digest}`], { expectExit: 'any' }));
  await login(ROBOT.user, ROBOT.secret);
  await cosign(['verify', signed]);
  await identityConfig(directory, 'ada', password);
  await cosign(['sign', signed]);
});

test('ctr of containerd: passwords, tokens, robots and refresh tokens', options, async (t) => {
  const { ctr, directory } = await startContainerd(t);
  const pull = (name: string, ...args: readonly string[]) =>
    ctr(['images', 'pull', '--plain-http', '--snapshotter=native', ...args, `${host}/${name}`], {
      expectExit: 'any',
    });
  const push = (name: string, ...args: readonly string[]) =>
    ctr(['images', 'push', '--plain-http', ...args, `${host}/${name}`, `${host}/pub/app:1`], {
      expectExit: 'any',
    });
  const succeeds = async (run: Promise<CommandResult>) => {
    const result = await run;
    assert.equal(result.exitCode, 0, result.stderr);
  };
  await succeeds(pull('pub/app:1'));
  await isRefused(pull('team/app:1'));
  for (const [kind, secret] of Object.entries(WRITERS)) {
    const ada = `--user=ada:${secret}`;
    await succeeds(push(`team/ctr-${kind}:1`, ada));
    await succeeds(pull('team/app:1', ada));
    await isRefused(push('other/ctr:1', ada));
    await isRefused(pull('other/app:1', ada));
  }
  const reader = `--user=${ROBOT.user}:${ROBOT.secret}`;
  await succeeds(pull('team/app:1', reader));
  await isRefused(push('team/ctr:1', reader));
  const hosts = join(directory, 'certs.d');
  await mkdir(join(hosts, host), { recursive: true });
  const mirror = `[host."${registry.url}"]\n  capabilities = ["pull", "resolve"]\n`;
  await writeFile(join(hosts, host, 'hosts.toml'), `server = "${registry.url}"\n${mirror}`);
  const byHosts = (...args: readonly string[]) =>
    ctr(['images', 'pull', '--snapshotter=native', `--hosts-dir=${hosts}`, ...args, `${host}/team/app:1`], {
      expectExit: 'any',
    });
  await succeeds(byHosts(reader));
  await isRefused(byHosts());
  const refresh = `--refresh=${await identityToken('ada', token)}`;
  await succeeds(push('team/ctr-refresh:1', refresh));
  await isRefused(push('other/ctr:1', refresh));
  await isRefused(pull('team/app:1', '--refresh=berth_ref_wrong'));
});
