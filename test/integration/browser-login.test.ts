import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { CookieBrowser, formOf, logInAs } from '../support/cookie-browser.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { CLIENT, type People, startPeopleProvider } from '../support/people-provider.ts';
import { startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

describe('people log in by a provider', async () => {
  const people: People = {
    'sub-ada': { preferred_username: 'Ada', groups: ['developers'] },
    'sub-mallory': { preferred_username: 'admin' },
    'sub-eve': { preferred_username: '../eve <b>' },
    'sub-nobody': {},
  };
  const registry = await startRegistryWithAccounts({ after });
  const callback = `${registry.url}/auth/callback`;
  const provider = await startPeopleProvider({ after }, callback, people);
  const { store } = registry;
  await store.teams.create('dev');
  await store.teams.create('ops');
  const work = {
    name: 'work',
    issuer: provider.issuer,
    ...CLIENT,
    nameClaim: 'preferred_username',
    groupsClaim: 'groups',
    groups: { developers: 'dev', gone: 'no-such-team' },
  };
  await store.providers.create(work);
  const start = `${registry.url}/auth/login?provider=work`;
  const isCallback = (url: URL) => url.href.startsWith(callback);

  /** A browser that comes back from the provider, and the address to which it was sent. */
  const comeBack = async (login = 'sub-ada') => {
    const browser = new CookieBrowser();
    const page = await logInAs(browser, start, login, isCallback);
    return { browser, back: new URL(page.headers.location ?? '') };
  };
  const refused = async (browser: CookieBrowser, url: string, message: RegExp, status = 403) => {
    const page = await browser.send(url);
    assert.equal(page.status, status, page.text);
    assert.match(page.text, message);
    assert.match(page.headers['content-type'] ?? '', /text\/html/);
    assert.equal(browser.cookies.get(registry.url)?.has('berth-session'), false);
  };

  test('the first login makes an account without a password, which makes tokens', async () => {
    const browser = new CookieBrowser();
    const page = await logInAs(browser, start, 'sub-ada');
    assert.equal(page.url, `${registry.url}/auth/`);
    assert.match(page.text, /<strong id="name">ada<\/strong>/);
    assert.match(
      String(page.headers['content-security-policy']),
      /^default-src 'self'; .*frame-ancestors 'none'$/,
    );
    assert.equal((await store.accounts.find('ada'))?.passwordHash, undefined);
    const { action, fields } = formOf(page, 'make-token');
    const made = await browser.send(action, fields);
    assert.equal(made.status, 201);
    assert.equal(made.headers['cache-control'], 'no-store');
    const secret = /berth_pat_\w+/.exec(made.text)?.[0] ?? '';
    assert.match(made.text, new RegExp(`docker login --username ada 127.0.0.1:${registry.port}`));
    const headers = { authorization: basicAuthorization('ada', secret) };
    assert.equal((await registry.send('GET', '/v2/', { headers })).status, 200);
    for (const password of ['', 'any']) {
      const guess = { authorization: basicAuthorization('ada', password) };
      assert.equal((await registry.send('GET', '/v2/', { headers: guess })).status, 401);
    }
    const session = browser.cookies.get(registry.url)?.get('berth-session') ?? '';
    assert.match(session, /^berth_ses_/);
    assert.deepEqual(await store.database('sessions').where({ secret_hash: session }), []);
    assert.equal((await store.database('sessions')).length, 1);
  });

  test('groups are teams as of the last login, but for teams that are none of the provider', async () => {
    await store.teams.join('ops', 'ada');
    await logInAs(new CookieBrowser(), start, 'sub-ada');
    assert.deepEqual((await store.teams.find('dev'))?.members, ['ada']);
    people['sub-ada'] = { preferred_username: 'renamed' };
    const page = await logInAs(new CookieBrowser(), start, 'sub-ada');
    assert.match(page.text, /id="name">ada</);
    assert.deepEqual((await store.teams.find('dev'))?.members, []);
    assert.deepEqual((await store.teams.find('ops'))?.members, ['ada']);
    people['sub-ada'] = { preferred_username: 'Ada', groups: ['developers'] };
  });

  test('nobody takes over an account, or gets one whose name cannot be', async () => {
    for (const [login, message, status] of [
      ['sub-mallory', /account &#34;admin&#34; already exists/, 409],
      ['sub-eve', /cannot be an account name/, 403],
      ['sub-nobody', /no name in the claim &#34;preferred_username&#34;/, 403],
    ] as const) {
      const { browser, back } = await comeBack(login);
      await refused(browser, back.href, message, status);
    }
    assert.deepEqual(
      (await store.accounts.list()).map(({ name }) => name),
      ['ada', 'admin'],
    );
  });

  test('an administrator gives an account that is there to somebody at the provider, and takes it back', async () => {
    const mary = await registry.addUser('mary', { 'team/*': 'reader' });
    const api = (method: string, path: string, body?: object) =>
      registry.admin.send(method, `/api/v1/users/${path}`, {
        headers: { 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });
    const link = (name: string, fields: object) => api('POST', `${name}/identities`, fields);
    const identity = { provider: 'work', subject: 'sub-mallory' };
    assert.equal((await link('mary', identity)).status, 201);
    assert.equal((await link('mary', identity)).status, 201);
    assert.match((await logInAs(new CookieBrowser(), start, 'sub-mallory')).text, /id="name">mary</);
    assert.equal((await registry.send('GET', '/v2/', { headers: { authorization: mary } })).status, 200);
    assert.deepEqual(JSON.parse((await api('GET', 'mary/identities')).body.toString()), {
      identities: [{ issuer: provider.issuer, subject: 'sub-mallory' }],
    });
    for (const [name, fields, status] of [
      ['admin', identity, 409],
      ['mary', { provider: 'work', subject: 'sub-ada' }, 409],
      ['nobody', { provider: 'work', subject: 'other' }, 404],
      ['mary', { provider: 'none', subject: 'other' }, 404],
      ['mary', { provider: 'work', subject: '' }, 400],
      ['mary', { provider: 'work', subject: 'x'.repeat(256) }, 400],
    ] as const) {
      assert.equal((await link(name, fields)).status, status, JSON.stringify([name, fields]));
    }
    const asMary = await registry.send('POST', '/api/v1/users/mary/identities', {
      headers: { authorization: mary, 'content-type': 'application/json' },
      body: JSON.stringify({ provider: 'work', subject: 'another' }),
    });
    assert.equal(asMary.status, 403);
    assert.equal((await api('DELETE', 'mary/identities/work')).status, 204);
    assert.equal((await api('DELETE', 'mary/identities/work')).status, 404);
    const { browser, back } = await comeBack('sub-mallory');
    await refused(browser, back.href, /account &#34;admin&#34; already exists/, 409);
    await store.accounts.remove('mary');
  });

  test('what does not belong to a login of this browser is refused', async () => {
    const { browser, back } = await comeBack();
    const stranger = new CookieBrowser();
    await refused(stranger, back.href, /has not started a login here/);

    const other = await comeBack();
    other.back.searchParams.set('state', 'another');
    await refused(other.browser, other.back.href, /does not belong to this login/);
    // The login that was begun counts once, also when it came to nothing.
    await refused(other.browser, other.back.href, /has not started a login here/);

    const swapped = await comeBack();
    const theirs = await comeBack();
    swapped.back.searchParams.set('code', theirs.back.searchParams.get('code') ?? '');
    await refused(swapped.browser, swapped.back.href, /already used or has expired/);

    const cookie = browser.cookies.get(registry.url)?.get('berth-login') ?? '';
    assert.equal((await browser.send(back.href)).status, 303);
    const replay = new CookieBrowser();
    replay.cookies.set(registry.url, new Map([['berth-login', cookie]]));
    await refused(replay, back.href, /already used or has expired/);

    const denied = await comeBack();
    denied.back.searchParams.delete('code');
    denied.back.searchParams.set('error', 'access_denied');
    await refused(denied.browser, denied.back.href, /You were not let in by work/);
  });

  test("a nonce that is not this login's is refused", async () => {
    const { browser, back } = await comeBack();
    const jar = browser.cookies.get(registry.url);
    const begun = JSON.parse(Buffer.from(jar?.get('berth-login') ?? '', 'base64url').toString());
    jar?.set('berth-login', Buffer.from(JSON.stringify({ ...begun, nonce: 'x' })).toString('base64url'));
    await refused(browser, back.href, /does not belong to this login/);
    for (const broken of ['', 'x', 'e30', Buffer.from('[]').toString('base64url')]) {
      jar?.set('berth-login', broken);
      await refused(browser, back.href, /has not started a login here/);
    }
  });

  test('a login leads to no other server', async () => {
    for (const [path, expected] of [
      ['/auth/device?user_code=X', '/auth/device?user_code=X'],
      ['https://evil.example/', '/auth/'],
      ['//evil.example/', '/auth/'],
      ['/\\evil.example/', '/auth/'],
      ['/auth/\r\nX: y', '/auth/'],
      ['/..//evil.example/', '/auth/'],
      ['javascript:alert(1)', '/auth/'],
    ] as const) {
      const browser = new CookieBrowser();
      const from = `${start}&return=${encodeURIComponent(path)}`;
      const { headers } = await logInAs(browser, from, 'sub-ada', isCallback);
      const { headers: last } = await browser.send(headers.location ?? '');
      assert.equal(last.location, `${registry.url}${expected}`, path);
    }
  });

  test('the session is an identity of the management API, for pages of this server', async () => {
    const browser = new CookieBrowser();
    await logInAs(browser, start, 'sub-ada');
    const api = async (
      method: 'GET' | 'POST' | 'PATCH',
      path: string,
      headers: Record<string, string> = {},
      fields: object = { name: 'api' },
    ) => {
      const cookie = `berth-session=${browser.cookies.get(registry.url)?.get('berth-session')}`;
      const body = method === 'GET' ? {} : { body: JSON.stringify(fields) };
      return registry.send(method, `/api/v1${path}`, {
        headers: { cookie, 'content-type': 'application/json', ...headers },
        ...body,
      });
    };
    const me = await api('GET', '/me');
    assert.deepEqual(JSON.parse(me.body.toString()), { kind: 'user', name: 'ada', admin: false });
    for (const headers of [
      {},
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://127.0.0.1:1', 'x-berth-csrf': '1' },
      { 'x-berth-csrf': '1', 'sec-fetch-site': 'same-site' },
    ]) {
      assert.equal((await api('POST', '/tokens', headers)).status, 403, JSON.stringify(headers));
    }
    assert.equal((await api('GET', '/me', { 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await api('POST', '/tokens', { 'x-berth-csrf': '1' })).status, 201);
    assert.equal((await api('POST', '/tokens', { origin: registry.url })).status, 201);
    assert.equal((await api('GET', '/users')).status, 403);
    const password = { password: 'a way past the provider' };
    assert.equal((await api('PATCH', '/users/ada', { origin: registry.url }, password)).status, 403);
    // The registry itself takes no cookies.
    const cookie = `berth-session=${browser.cookies.get(registry.url)?.get('berth-session')}`;
    assert.equal((await registry.send('GET', '/v2/', { headers: { cookie } })).status, 401);
  });

  test('forms of other pages and sessions are refused; a session that has ended counts no more', async () => {
    const [browser, other] = [new CookieBrowser(), new CookieBrowser()];
    const home = await logInAs(browser, start, 'sub-ada');
    const token = formOf(home, 'make-token');
    const foreign = formOf(await logInAs(other, start, 'sub-ada'), 'make-token').fields;
    for (const [fields, headers] of [
      [{ ...token.fields, csrf: '' }, {}],
      [foreign, {}],
      [token.fields, { origin: 'https://evil.example' }],
      [token.fields, { 'sec-fetch-site': 'cross-site' }],
    ] as const) {
      assert.equal((await browser.send(token.action, fields, headers)).status, 403);
    }
    const cookie = browser.cookies.get(registry.url)?.get('berth-session') ?? '';
    const logout = formOf(home, 'logout');
    assert.equal((await browser.send(logout.action, { csrf: 'x' })).status, 403);
    assert.equal((await browser.send(logout.action, logout.fields)).status, 303);
    browser.cookies.get(registry.url)?.set('berth-session', cookie);
    assert.match((await browser.send(`${registry.url}/auth/`)).text, /id="log-in"/);
    assert.equal((await browser.send(token.action, token.fields)).status, 401);

    await store.database('sessions').update({ expires_at: new Date(Date.now() - 1000).toISOString() });
    assert.match((await other.send(`${registry.url}/auth/`)).text, /id="log-in"/);
  });

  test('an account that is removed takes its sessions and links with it', async () => {
    const browser = new CookieBrowser();
    await logInAs(browser, start, 'sub-ada');
    await store.accounts.remove('ada');
    assert.match((await browser.send(`${registry.url}/auth/`)).text, /id="log-in"/);
    assert.deepEqual(await store.database('linked_accounts'), []);
  });

  test('without https, pages are for this machine only', async () => {
    const headers = { host: 'registry.example' };
    const page = await registry.send('GET', '/auth/', { headers });
    assert.equal(page.status, 403);
    assert.match(page.body.toString(), /needs https/);
  });

  test('a token that cannot be recorded is not made', async () => {
    const browser = new CookieBrowser();
    const page = await logInAs(browser, start, 'sub-ada');
    const { action, fields } = formOf(page, 'make-token');
    const counts = async () => [
      (await store.database('credentials')).length,
      (await store.database('audit_events').where({ detail: 'POST /auth/tokens' })).length,
    ];
    const before = await counts();
    await store.database.raw(`create trigger full before insert on audit_events
      when new.detail = 'POST /auth/tokens' begin select raise(abort, 'the record is full'); end`);
    try {
      assert.equal((await browser.send(action, fields)).status, 500);
      assert.deepEqual(await counts(), before);
    } finally {
      await store.database.raw('drop trigger full');
    }
    assert.equal((await browser.send(action, fields)).status, 201);
    assert.deepEqual(
      await counts(),
      before.map((rows) => rows + 1),
    );
  });

  test('a provider that is down: sessions and tokens go on, and a page says what is the matter', async () => {
    const browser = new CookieBrowser();
    const page = await logInAs(browser, start, 'sub-ada');
    const { action, fields } = formOf(page, 'make-token');
    const late = await comeBack();
    await provider.close();
    assert.equal((await browser.send(action, fields)).status, 201);
    await refused(late.browser, late.back.href, /identity provider cannot be reached/, 503);
    await store.providers.create({ ...work, name: 'again', clientSecret: 'another' });
    await refused(
      new CookieBrowser(),
      `${registry.url}/auth/login?provider=again`,
      /Existing tokens and sessions stay valid/,
      503,
    );
    assert.equal(await store.providers.remove('work'), true);
    assert.match((await browser.send(`${registry.url}/auth/`)).text, /id="log-in"/);
    await refused(new CookieBrowser(), start, /no identity provider of this name/, 404);
  });

  test('neither codes nor secrets are logged; who logged in is recorded', async () => {
    const audit = await registry.admin.send('GET', '/api/v1/audit?limit=100');
    const recorded = audit.body.toString();
    assert.match(recorded, /"who":"ada"[^}]*"action":"login"[^}]*"detail":"GET \/auth\/callback"/);
    assert.match(recorded, /"who":"ada"[^}]*"detail":"POST \/auth\/tokens"/);
    assert.doesNotMatch(recorded, /code=|state=|berth_(?:pat|ses|dev)_/);
    const logged = registry.logged.join('');
    assert.match(logged, /"path":"\/auth\/callback","status":303/);
    assert.doesNotMatch(logged, /code=|state=|berth_(?:pat|ses|dev)_|a-client-secret-of-tests/);
  });
});
