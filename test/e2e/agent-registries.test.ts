import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseLimits } from '../../auth/administration/limits.ts';
import { makePersonalToken, makeRobot } from '../../auth/administration/make-credential.ts';
import { startAgent } from '../support/agent-process.ts';
import { openTestAuthStore } from '../support/auth-store.ts';
import { hashPassword } from '../support/hash-password.ts';
import { sendRequest } from '../support/http-client.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { type CommandResult, runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBigImage, makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/*
 * The agent at a registry with accounts, with the real docker: ada writes to team/*, the robot reads it, everybody reads
 * pub/*, and nobody of them other/*.
 */
describe('docker at the agent, with registries', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
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
  const owner = { kind: 'user', name: 'admin' } as const;
  const robot = await makeRobot(store.credentials, owner, 'ci', { limits: parseLimits(['team/*:pull']) });
  const folder = await imageFolder(scope);
  const image = await makeBusyboxImage(folder);
  const admin = { name: 'admin', password: adminPassword };
  for (const name of ['team', 'other', 'pub']) await pushLayout(image, `${host}/${name}/app:1`, admin);
  const berth = (...args: readonly string[]) =>
    runCommand(process.execPath, [REGISTRY_PROGRAM, ...args, '--data', registry.dataDir]);
  const refused = async (run: Promise<CommandResult>) => {
    const { exitCode, stderr, stdout } = await run;
    assert.notEqual(exitCode, 0, stdout);
    assert.match(stderr, /denied|unauthorized|authentication required|insufficient_scope/i);
    return stderr;
  };
  const any = { expectExit: 'any' } as const;

  test('login with a password, a token, as a robot: what the account may, and no more', async (t) => {
    const { docker, config } = await startAgent(t);
    const login = (user: string, input: string) =>
      docker(['login', `--username=${user}`, '--password-stdin', host], { input, expectExit: 'any' });
    await docker(['pull', `${host}/pub/app:1`]);
    await refused(docker(['pull', `${host}/team/app:1`], any));
    await docker(['tag', `${host}/pub/app:1`, `${host}/team/pushed:1`]);
    await refused(docker(['push', `${host}/team/pushed:1`], any));
    assert.match((await login('ada', 'wrong')).stderr, /unauthorized/);

    for (const [kind, secret] of Object.entries({ password, token })) {
      assert.match((await login('ada', secret)).stdout, /Login Succeeded/, kind);
      const kept = JSON.parse(await readFile(join(config, 'config.json'), 'utf8')).auths[host];
      assert.match(kept.identitytoken, /^berth_ref_/);
      assert.equal(JSON.stringify(kept).includes(secret), false);
      const pushed = await docker(['push', `${host}/team/pushed:1`]);
      assert.match(pushed.stdout, new RegExp(`\n1: digest: ${image.digest} size: \\d+\n$`));
      await docker(['pull', `${host}/team/app:1`]);
      await docker(['tag', `${host}/team/app:1`, `${host}/team/mounted-${kind}:1`]);
      const mounted = await docker(['push', `${host}/team/mounted-${kind}:1`]);
      assert.match(mounted.stdout, /: Mounted from team\/[a-z-]+\n/);
      assert.match(
        (await docker(['push', `${host}/team/mounted-${kind}:1`])).stdout,
        /: Layer already exists\n/,
      );
      await docker(['tag', `${host}/team/app:1`, `${host}/other/pushed:1`]);
      await refused(docker(['push', `${host}/other/pushed:1`], any));
      await refused(docker(['pull', `${host}/other/app:1`], any));
    }
    await docker(['push', '--quiet', '--all-tags', `${host}/team/pushed`]);

    await login(robot.credential.name, robot.secret);
    await docker(['pull', `${host}/team/app:1`]);
    await refused(docker(['push', `${host}/team/pushed:1`], any));
    await docker(['logout', host]);
    await refused(docker(['pull', `${host}/team/pushed:1`], any));
  });

  test('an identity token that was revoked lets in no more', async (t) => {
    const { docker } = await startAgent(t);
    await docker(['login', '--username=ada', '--password-stdin', host], { input: password });
    await docker(['pull', `${host}/team/app:1`]);
    for (const line of (await berth('token', 'list', 'ada')).stdout.split('\n')) {
      if (line.includes('login by berth-agent')) await berth('token', 'revoke', line.split(' ')[0] ?? '');
    }
    await refused(docker(['pull', `${host}/team/app:1`], any));
  });

  test('the agent’s own logins serve whoever brings none, and give way to who does', async (t) => {
    const logins = await makeTempDir(t, 'logins');
    const identity = await sendRequest(
      `${registry.url}/token?service=berth&offline_token=true&client_id=host`,
      {
        user: { name: 'ada', password },
      },
    );
    const { refresh_token: identitytoken } = JSON.parse(identity.body.toString());
    const path = join(logins, 'auth.json');
    await writeFile(path, JSON.stringify({ auths: { [`${host}/team`]: { identitytoken } } }));
    const { docker } = await startAgent(t, { args: ['--registry-auth', path] });
    await docker(['pull', `${host}/team/app:1`]);
    await docker(['tag', `${host}/team/app:1`, `${host}/team/own:1`]);
    await docker(['push', `${host}/team/own:1`]);
    await refused(docker(['pull', `${host}/other/app:1`], any));
    const reader = { name: robot.credential.name, input: robot.secret };
    await docker(['login', `--username=${reader.name}`, '--password-stdin', host], { input: reader.input });
    await refused(docker(['push', `${host}/team/own:1`], any));
    await docker(['logout', host]);
    await writeFile(path, '{');
    const broken = await docker(['pull', `${host}/team/app:1`], any);
    assert.match(broken.stderr, /auth\.json with the logins of registries cannot be used: it is not JSON\n$/);
  });

  test('the sentences of tag rules and quotas reach the user', async (t) => {
    const { docker } = await startAgent(t);
    await docker(['login', '--username=ada', '--password-stdin', host], { input: password });
    await docker(['pull', `${host}/team/app:1`]);
    const big = await makeBigImage(folder, 3_000_000);
    await pushLayout(big, `${host}/team/big:1`, admin);
    await docker(['pull', `${host}/team/big:1`]);
    for (const name of ['rules/app:v1', 'full/app:1'])
      await docker(['tag', `${host}/team/app:1`, `${host}/team/${name}`]);
    await docker(['push', `${host}/team/rules/app:v1`]);
    await berth('tag-rule', 'add', 'team/rules/*', '--tags', 'v*', '--immutable');
    await docker(['push', `${host}/team/rules/app:v1`]);
    await docker(['tag', `${host}/team/big:1`, `${host}/team/rules/app:v1`]);
    const immutable = await refused(docker(['push', `${host}/team/rules/app:v1`], any));
    assert.match(immutable, /^denied: .*v1.*\n$/);

    await berth('quota', 'set', 'team/full/*', '2MB');
    await docker(['push', `${host}/team/full/app:1`]);
    await docker(['tag', `${host}/team/big:1`, `${host}/team/full/app:1`]);
    const full = await refused(docker(['push', `${host}/team/full/app:1`], any));
    assert.match(full, /^denied: .*(quota|bytes).*\n$/);
  });
});
