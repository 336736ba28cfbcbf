import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startChromium } from '../support/chromium.ts';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { loadIntoDocker } from '../support/load-into-docker.ts';
import { startProcess } from '../support/managed-process.ts';
import { CLIENT, startPeopleProvider } from '../support/people-provider.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

describe('a person with a browser', { skip: unlessRoot(), timeout: 900_000 }, async () => {
  if (unlessRoot() !== false) return;
  const registry = await startRegistry({ after }, { adminPassword: 'correct horse battery' });
  const people = { 'sub-ada': { preferred_username: 'ada', groups: ['developers'] } };
  const provider = await startPeopleProvider({ after }, `${registry.url}/auth/callback`, people);
  const berth = (args: readonly string[], input?: string) =>
    runCommand(process.execPath, [REGISTRY_PROGRAM, ...args, '--data', registry.dataDir], {
      ...(input !== undefined && { input }),
    });
  await berth(['team', 'add', 'dev']);
  await berth(['grant', 'add', 'team:dev', 'team/*', 'writer']);
  const client = ['--issuer', provider.issuer, '--client-id', CLIENT.clientId, '--client-secret-stdin'];
  await berth(
    ['provider', 'add', 'work', ...client, '--group', 'developers=dev'],
    `${CLIENT.clientSecret}\n`,
  );
  const page = await startChromium({ after });
  const { docker } = await startDockerd({ after });
  const reference = `${registry.host}/team/app:1`;
  await loadIntoDocker(
    { after },
    { docker },
    await makeBusyboxImage(await imageFolder({ after })),
    reference,
  );

  test("logs in at the provider's page, makes a token, and pushes with docker", async () => {
    assert.doesNotMatch((await berth(['provider', 'list'])).stdout, new RegExp(CLIENT.clientSecret));
    await page.open(`${registry.url}/auth/`);
    await page.click('#providers a');
    await page.fill('input[name=login]', 'sub-ada');
    await page.fill('input[name=password]', 'any');
    await page.click('button[type=submit]');
    await page.until("document.querySelector('input[name=prompt]')?.value === 'consent'");
    await page.click('button[type=submit]');
    assert.equal(await page.text('#name'), 'ada');
    assert.equal(await page.evaluate('document.cookie'), '');
    await page.click('#make-token button');
    const token = await page.text('#token');
    assert.equal(await page.text('#docker-login'), `docker login --username ada ${registry.host}`);
    const login = await docker(['login', '--username', 'ada', '--password-stdin', registry.host], {
      input: token,
    });
    assert.match(login.stdout, /Login Succeeded/);
    await docker(['push', reference]);
    await docker(['logout', registry.host]);
  });

  test('logs in a terminal, whose docker pulls', async () => {
    const folder = await makeTempDir({ after }, 'docker-config');
    const started = startProcess(
      { after },
      process.execPath,
      [REGISTRY_PROGRAM, 'login', registry.url, '--name', 'my laptop'],
      { env: { DOCKER_CONFIG: folder } },
    );
    const [, confirm = ''] = await started.waitForLine(/(http:\S+user_code=\S+)/);
    await page.open(confirm);
    assert.equal(await page.text('#client'), 'my laptop');
    await page.click('#confirm button[value=yes]');
    await page.text('#done');
    assert.equal((await started.exited).code, 0, started.output());
    assert.match(started.output(), /Logged in to .* as ada/);
    const file = join(folder, 'config.json');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.match(await readFile(file, 'utf8'), new RegExp(registry.host));
    await docker(['rmi', reference]);
    await docker(['pull', reference], { env: { DOCKER_CONFIG: folder } });
    assert.match((await berth(['token', 'list', 'ada'])).stdout, /"my laptop"/);
    // The log names who it was, and neither codes nor tokens.
    const logged = registry.process().output();
    assert.match(logged, /"path":"\/auth\/callback"/);
    assert.doesNotMatch(logged, /code=|state=|berth_(?:pat|ses|dev)_/);
  });
});
