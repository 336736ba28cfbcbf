import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runBerth, runBerthIn } from '../support/berth-command.ts';
import { digestOf } from '../support/content.ts';
import { ObedientHost } from '../support/fleet-world.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { joinHost, postJson } from '../support/joined-host.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';

const PASSWORD = 'a password of tests';
const ADMIN = { Authorization: basicAuthorization('admin', PASSWORD) };
const APP = 'team/shop';
const SECRET = 'correct horse battery staple';

test('a secret is in no file of the registry, no backup, no log and no list; without its key it opens nowhere', async (t) => {
  const folder = await makeTempDir(t, 'secrets');
  const registry = await startRegistry(t, {
    dataDir: join(folder, 'data'),
    adminPassword: PASSWORD,
    args: ['--log-level', 'trace'],
  });
  const made = await postJson(`${registry.url}/api/v1/host-tokens`, {}, ADMIN);
  const { token } = (await made.json()) as { token: string };
  const joined = await joinHost(t, registry.url, token, 'web1');
  let host = new ObedientHost(joined, await joined.connect());
  const env = { BERTH_SERVER: registry.url, BERTH_TOKEN: `admin:${PASSWORD}`, DOCKER_CONFIG: folder };
  const file = join(folder, 'compose.yaml');
  const image = `other.test/web@${digestOf('web')}`;
  const web = {
    image,
    platform: 'linux/amd64',
    secrets: ['KEY'],
    deploy: { update_config: { monitor: '0s' } },
  };
  await writeFile(file, JSON.stringify({ services: { web }, secrets: { KEY: { external: true } } }));
  const set = () =>
    runCommand(process.execPath, [REGISTRY_PROGRAM, 'secret', 'set', APP, 'KEY'], {
      env,
      input: SECRET,
      expectExit: 'any',
    });
  assert.equal((await set()).exitCode, 0);
  const deployed = await runBerthIn(env, 'deploy', APP, file);
  assert.equal(deployed.exitCode, 0, deployed.stderr);
  const rotated = await set();
  assert.equal(rotated.exitCode, 0, rotated.stderr);

  const backup = join(folder, 'backup');
  const copied = await runBerth('backup', '--data', registry.dataDir, '--to', backup);
  assert.equal(copied.exitCode, 0, copied.stderr);
  const shown: string[] = [registry.process().output()];
  for (const words of [['history', APP], ['ps', APP], ['secret', 'ls', APP], ['audit']]) {
    const { stdout, stderr } = await runBerthIn(
      env,
      ...words,
      ...(words[0] === 'audit' ? ['--data', registry.dataDir] : ['--format', 'json']),
    );
    assert.notEqual(stdout, '', stderr);
    shown.push(stdout);
  }
  const clear = [SECRET, Buffer.from(SECRET).toString('base64'), 'AGE-SECRET-KEY-1'];
  for (const text of clear) {
    assert.ok(!shown.some((one) => one.includes(text)), text);
    const found = await runCommand('grep', ['-rlF', '--binary-files=text', text, registry.dataDir, backup], {
      expectExit: 'any',
    });
    assert.equal(
      found.stdout,
      text.startsWith('AGE') ? `${join(registry.dataDir, 'secrets.key')}\n` : '',
      text,
    );
  }

  // As after the restore of a backup.
  await registry.stop();
  await rm(join(registry.dataDir, 'secrets.key'));
  await registry.restart();
  host = new ObedientHost(joined, await joined.connect());
  const refused = await runBerthIn(env, 'restart', APP);
  assert.equal(refused.exitCode, 3, refused.stderr);
  assert.match(refused.stderr, /release 3 [^\n]*: the secrets key \S+ is missing or different: restore it/);
  await waitUntil('the host has what it had', () => host.told.join() === '2');
  const again = await set();
  assert.equal(again.exitCode, 0, again.stderr);
  assert.equal(host.told.at(-1), '4');
});
