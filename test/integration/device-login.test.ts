import assert from 'node:assert/strict';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { Directory } from '../../auth/accounts/directory.ts';
import { DeviceLogins } from '../../auth/sessions/device-logins.ts';
import { Sessions } from '../../auth/sessions/sessions.ts';
import { parseTrustedProxies } from '../../server/http/forwarded.ts';
import { CookieBrowser, formOf } from '../support/cookie-browser.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { startProcess } from '../support/managed-process.ts';
import { REGISTRY_PROGRAM } from '../support/programs.ts';
import { startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code';

/** What may be done again after a while may not be so because the machine is slow. */
function standStill(t: TestContext): void {
  const now = performance.now();
  t.mock.method(performance, 'now', () => now);
}

describe('logins of terminals', async () => {
  const registry = await startRegistryWithAccounts(
    { after },
    { trustedProxies: parseTrustedProxies(['127.0.0.1']) },
  );
  const { store } = registry;
  await registry.addUser('ada');
  const sessions = new Sessions(store.sessions, new Directory(store));
  const browserOf = async (account: string) => {
    const browser = new CookieBrowser();
    browser.cookies.set(registry.url, new Map([['berth-session', await sessions.begin(account, 'work')]]));
    return browser;
  };
  const ada = await browserOf('ada');
  const terminal = new CookieBrowser();
  const post = async (path: string, form: Readonly<Record<string, string>>) => {
    const { status, text } = await terminal.send(`${registry.url}/auth/${path}`, form);
    return { status, json: JSON.parse(text) };
  };
  const begin = async (name = 'laptop') => (await post('device', { client_name: name })).json;
  const poll = (begun: { device_code: string }) =>
    post('device/token', { grant_type: GRANT_TYPE, device_code: begun.device_code });
  const answer = async (begun: { verification_uri_complete: string }, says: 'yes' | 'no') => {
    const { action, fields } = formOf(await ada.send(begun.verification_uri_complete), 'confirm');
    return ada.send(action, { ...fields, says });
  };

  test('a terminal gets a token once, when somebody has confirmed', async () => {
    const begun = await begin('laptop <b>');
    assert.match(begun.user_code, /^[B-Z]{4}-[B-Z]{4}$/);
    assert.equal(begun.verification_uri, `${registry.url}/auth/device`);
    assert.deepEqual((await poll(begun)).json, { error: 'authorization_pending' });
    const page = await ada.send(begun.verification_uri_complete);
    assert.match(page.text, /laptop &#60;b&#62;/);
    const done = await answer(begun, 'yes');
    assert.equal(done.status, 200);
    const { status, json } = await poll(begun);
    assert.deepEqual([status, json.username, json.token_type], [200, 'ada', 'Basic']);
    const headers = { authorization: basicAuthorization('ada', json.access_token) };
    assert.equal((await registry.send('GET', '/v2/', { headers })).status, 200);
    assert.deepEqual(await poll(begun), { status: 400, json: { error: 'expired_token' } });
    assert.match((await ada.send(begun.verification_uri_complete)).text, /No terminal waits/);
    const rows = JSON.stringify(await store.database('device_logins'));
    assert.doesNotMatch(rows, /berth_dev_/);
  });

  test('one that was refused, has expired or asks too fast hears so', async (t) => {
    standStill(t);
    const denied = await begin();
    await answer(denied, 'no');
    assert.deepEqual((await poll(denied)).json, { error: 'access_denied' });
    const fast = await begin();
    let heard = (await poll(fast)).json.error;
    assert.equal(heard, 'authorization_pending');
    for (let times = 0; times < 50 && heard !== 'slow_down'; times += 1)
      heard = (await poll(fast)).json.error;
    assert.equal(heard, 'slow_down');
    const old = await begin();
    const past = new Date(Date.now() - 1000).toISOString();
    await store.database('device_logins').update({ expires_at: past });
    assert.deepEqual((await poll(old)).json, { error: 'expired_token' });
    assert.equal((await ada.send(old.verification_uri_complete)).status, 404);
    assert.deepEqual((await poll({ device_code: 'x' })).json, { error: 'expired_token' });
    assert.equal((await post('device/token', { device_code: 'x' })).json.error, 'unsupported_grant_type');
  });

  test('whoever has no session is sent to log in and back; forms of other sites confirm nothing', async () => {
    const begun = await begin();
    const sent = await new CookieBrowser().send(begun.verification_uri_complete);
    const login = new URL(sent.headers.location ?? '');
    assert.equal(login.origin + login.pathname, `${registry.url}/auth/`);
    assert.equal(login.searchParams.get('return'), `/auth/device?user_code=${begun.user_code}`);
    const { action, fields } = formOf(await ada.send(begun.verification_uri_complete), 'confirm');
    const yes = { ...fields, says: 'yes' };
    for (const [form, headers] of [
      [{ ...yes, csrf: 'x' }, {}],
      [yes, { origin: 'https://evil.example' }],
    ] as const) {
      assert.equal((await ada.send(action, form, headers)).status, 403);
    }
    assert.deepEqual((await poll(begun)).json, { error: 'authorization_pending' });
  });

  test('the page shows the letters of a code, and nothing that a link has beside them', async () => {
    const { user_code: code, verification_uri: page } = await begin();
    const written = `${code.toLowerCase()} 1, \u0434\u0430 <1>`;
    const { status, text } = await ada.send(`${page}?user_code=${encodeURIComponent(written)}`);
    assert.equal(status, 200);
    assert.equal(/id="user-code">([^<]*)</.exec(text)?.[1], code);
    assert.doesNotMatch(text, /\u0434\u0430/);
    assert.equal(/name="user_code" value="([^"]*)"/.exec(text)?.[1], code);
  });

  test('pages of other sites begin no logins, and the networks of one site not many', async (t) => {
    standStill(t);
    const form = { client_name: 'x' };
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      assert.equal((await terminal.send(`${registry.url}/auth/device`, form, headers)).status, 403);
    }
    const devices = new DeviceLogins(store);
    const beginIn = (site: string, count: number) =>
      Promise.allSettled(
        Array.from({ length: count }, (_, index) => devices.begin('x', `${site}:${index.toString(16)}::1`)),
      );
    const begun = await beginIn('2001:db8:1', 150);
    assert.equal(begun.filter(({ status }) => status === 'fulfilled').length, 100);
    const refused = begun.find((one) => one.status === 'rejected');
    assert.equal(refused?.reason.code, 'TOO_MANY_ATTEMPTS');
    assert.equal((await beginIn('2001:db8:2', 1))[0]?.status, 'fulfilled');
  });

  test('one address begins not many, and keeps no other from it', async (t) => {
    standStill(t);
    const devices = new DeviceLogins(store);
    for (const address of ['192.0.2.1', '192.0.2.2']) {
      const begun = await Promise.allSettled(Array.from({ length: 30 }, () => devices.begin('x', address)));
      assert.equal(begun.filter(({ status }) => status === 'fulfilled').length, 20, address);
    }
  });

  test('codes cannot be tried out', async (t) => {
    standStill(t);
    await registry.addUser('mallory');
    const mallory = await browserOf('mallory');
    const statuses = new Set<number>();
    let last = await mallory.send(`${registry.url}/auth/device?user_code=BBBB-BBBB`);
    for (let times = 0; times < 40 && last.status !== 429; times += 1) {
      statuses.add(last.status);
      last = await mallory.send(`${registry.url}/auth/device?user_code=BBBB-BBBB`);
    }
    assert.deepEqual([...statuses, last.status], [404, 429]);
    assert.ok(Number(last.headers['retry-after']) > 0);
    const begun = await begin();
    assert.equal((await mallory.send(begun.verification_uri_complete)).status, 429);
    assert.equal((await ada.send(begun.verification_uri_complete)).status, 200);
    let now = 0;
    const devices = new DeviceLogins(store, () => now);
    const { userCode } = await devices.begin('x', 'address');
    now += 11 * 60 * 1000;
    await assert.rejects(devices.answer(userCode, 'ada', 'yes'), { code: 'ENTRY_UNKNOWN' });
  });

  test('behind a proxy that takes https off, cookies are bound to the host', async () => {
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'registry.example' };
    const { headers: answered } = await registry.send('GET', '/auth/callback', { headers });
    assert.deepEqual(answered['set-cookie'], [
      '__Host-berth-login=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure',
    ]);
    const [session] = [...(ada.cookies.get(registry.url)?.values() ?? [])];
    const page = async (cookie: string) =>
      (await registry.send('GET', '/auth/', { headers: { ...headers, cookie } })).body.toString();
    assert.match(await page(`__Host-berth-session=${session}`), /logged in as/);
    assert.doesNotMatch(await page(`berth-session=${session}`), /logged in as/);
  });

  test('berth login keeps the token where docker looks for it, or with its credential helper', async () => {
    const folder = await makeTempDir({ after }, 'docker');
    const file = join(folder, 'config.json');
    const helper = join(folder, 'docker-credential-test');
    await writeFile(
      helper,
      `#!/bin/sh\nif [ "$1" = store ]; then cat > ${folder}/stored; else cat ${folder}/stored; fi\n`,
    );
    await chmod(helper, 0o755);
    const host = `127.0.0.1:${registry.port}`;
    for (const config of [{ auths: { 'other.example': { auth: 'eDp5' } } }, { credsStore: 'test' }]) {
      await writeFile(file, JSON.stringify(config));
      const started = startProcess({ after }, process.execPath, [REGISTRY_PROGRAM, 'login', registry.url], {
        env: { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env.PATH}` },
      });
      const [, page = ''] = await started.waitForLine(/(http:\S+user_code=\S+)/);
      await answer({ verification_uri_complete: page }, 'yes');
      assert.equal((await started.exited).code, 0, started.output());
      const kept = JSON.parse(await readFile(file, 'utf8'));
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      if (config.credsStore === undefined) {
        assert.deepEqual(kept.auths['other.example'], { auth: 'eDp5' });
        const pair = Buffer.from(kept.auths[host].auth, 'base64').toString();
        assert.match(pair, /^ada:berth_pat_/);
      } else {
        assert.deepEqual(kept, { credsStore: 'test', auths: { [host]: {} } });
        const stored = JSON.parse(await readFile(join(folder, 'stored'), 'utf8'));
        assert.equal(stored.ServerURL, host);
        assert.match(stored.Secret, /^berth_pat_/);
      }
      const hosts = await runCommand(process.execPath, [REGISTRY_PROGRAM, 'hosts'], {
        env: { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env.PATH}` },
        expectExit: 1,
      });
      assert.match(hosts.stderr, /this is for administrators and for readers/);
    }
    const refuse = async (url: string, exitCode: number, message: RegExp) => {
      const result = await runCommand(process.execPath, [REGISTRY_PROGRAM, 'login', url], {
        expectExit: 'any',
      });
      assert.equal(result.exitCode, exitCode, result.stderr);
      assert.match(result.stderr, message);
    };
    await refuse('http://registry.example', 2, /plain http/);
    await refuse('http://127.0.0.1:1', 1, /does not answer/);
  });
});
