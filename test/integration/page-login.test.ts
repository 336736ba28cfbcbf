import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import Koa from 'koa';
import { pino } from 'pino';
import { listen } from '../../lib/http/listen.ts';
import { http } from '../../lib/http/node-http.ts';
import { RegistryError } from '../../server/errors.ts';
import { answerErrors } from '../../server/middleware.ts';
import { answerBrowsers } from '../../server/page/answer-browsers.ts';
import type { PageDependencies } from '../../server/page/page-dependencies.ts';
import type { RequestState } from '../../server/request-context.ts';
import { CookieBrowser, formOf } from '../support/cookie-browser.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { untilPasses } from '../support/until-passes.ts';

const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('people log in with a password', async () => {
  const registry = await startRegistryWithAccounts({ after });
  const { url } = registry;
  await registry.addUser('ada', { 'team/*': 'maintainer' });
  await registry.addUser('eve');

  const open = (browser: CookieBrowser, path: string, form?: Record<string, string>) =>
    browser.send(`${url}${path}`, form, HTML);
  const login = async (browser: CookieBrowser, fields: Record<string, string>, start = '/auth/') => {
    const form = formOf(await open(browser, start), 'log-in');
    return browser.send(form.action, { ...form.fields, ...fields }, HTML);
  };
  const logIn = async (user: string, password = ADMIN_PASSWORD) => {
    const browser = new CookieBrowser();
    assert.equal((await login(browser, { user, password })).status, 303);
    return browser;
  };
  const sessionIn = (browser: CookieBrowser) => browser.cookies.get(url)?.get('berth-session') ?? '';

  test('the session is new at each login, and ends with a log-out', async () => {
    const browser = new CookieBrowser();
    browser.cookies.set(url, new Map([['berth-session', 'berth_ses_chosen-by-somebody']]));
    const answer = await login(browser, { user: 'ada', password: ADMIN_PASSWORD });
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.location, `${url}/`);
    const cookie = answer.headers['set-cookie']?.find((line) => line.startsWith('berth-session='));
    assert.match(cookie ?? '', /HttpOnly; SameSite=Lax$/);
    const first = sessionIn(browser);
    assert.match(first, /^berth_ses_/);
    assert.match((await open(browser, '/')).text, /href="\/account">ada</);
    const form = formOf(await open(new CookieBrowser(), '/auth/'), 'log-in');
    assert.match(form.fields.csrf ?? '', /\./);

    const again = new CookieBrowser();
    again.cookies.set(url, new Map([['berth-session', first]]));
    await open(again, '/auth/');
    const logout = formOf(await open(browser, '/'), 'logout');
    assert.equal((await browser.send(logout.action, logout.fields, HTML)).status, 303);
    assert.doesNotMatch((await open(again, '/')).text, /href="\/account">/);
  });

  test('a wrong password and an account that is not there get the same answer, which is recorded', async () => {
    const pages = [];
    for (const user of ['ada', 'nobody']) {
      const page = await login(new CookieBrowser(), { user, password: 'wrong' });
      assert.equal(page.status, 401);
      assert.equal(page.headers['www-authenticate'], undefined);
      pages.push(page.text.replaceAll(user, 'X').replace(/name="csrf" value="[^"]*"/, ''));
    }
    assert.equal(pages[0], pages[1]);
    assert.match(pages[0] ?? '', /The name or the password is wrong/);
    await logIn('ada');
    const recorded = async () =>
      (await registry.admin.send('GET', '/api/v1/audit?action=login')).body.toString();
    await untilPasses(async () => {
      assert.match(await recorded(), /"outcome":"unauthorized"[^}]*tried as \\"nobody\\"/);
    });
    const audit = await recorded();
    assert.match(audit, /"who":"ada"[^}]*"outcome":"done"[^}]*"POST \/auth\/password"/);
    assert.doesNotMatch(audit + registry.logged.join(''), /wrong"|a password of tests/);
  });

  test('a token is no password here', async () => {
    const made = await registry.admin.send('POST', '/api/v1/tokens', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'x' }),
    });
    const { secret } = JSON.parse(made.body.toString());
    assert.equal((await login(new CookieBrowser(), { user: 'admin', password: secret })).status, 401);
  });

  test('too many guesses have to wait', async () => {
    const browser = new CookieBrowser();
    const form = formOf(await open(browser, '/auth/'), 'log-in');
    const statuses: number[] = [];
    for (let guess = 0; guess < 12; guess += 1) {
      const fields = { ...form.fields, user: 'eve', password: `guess ${guess}` };
      const page = await browser.send(form.action, fields, HTML);
      statuses.push(page.status);
      if (page.status === 429) assert.match(String(page.headers['retry-after']), /^\d+$/);
    }
    assert.equal(statuses.at(-1), 429, `${statuses}`);
  });

  test('forms of other pages are refused', async () => {
    const browser = new CookieBrowser();
    const { action, fields } = formOf(await open(browser, '/auth/'), 'log-in');
    const attempt = { ...fields, user: 'ada', password: ADMIN_PASSWORD };
    const other = new CookieBrowser();
    for (const [by, form, headers] of [
      [browser, { ...attempt, csrf: '' }, {}],
      [browser, { ...attempt, csrf: 'x.y' }, {}],
      [browser, attempt, { origin: 'https://evil.example' }],
      [browser, attempt, { origin: 'null' }],
      [browser, attempt, { 'sec-fetch-site': 'same-site' }],
      [other, attempt, {}],
    ] as const) {
      assert.equal((await by.send(action, form, { ...HTML, ...headers })).status, 403);
      assert.equal(sessionIn(by), '');
    }
    assert.equal((await browser.send(action, attempt, HTML)).status, 303);
  });

  test('a login leads to no other server', async () => {
    for (const [path, expected] of [
      ['/account', '/account'],
      ['//evil.example/', '/'],
      ['/\\evil.example', '/'],
      ['https://evil.example/', '/'],
      ['javascript:alert(1)', '/'],
    ] as const) {
      const start = `/auth/?return=${encodeURIComponent(path)}`;
      const answer = await login(new CookieBrowser(), { user: 'ada', password: ADMIN_PASSWORD }, start);
      assert.equal(answer.headers.location, `${url}${expected}`, path);
    }
    const asked = await open(new CookieBrowser(), '/account?x=1');
    assert.equal(asked.headers.location, '/auth/?return=%2Faccount%3Fx%3D1');
  });

  test('people see and end their sessions, make and revoke tokens, and change their password', async () => {
    const [browser, stolen] = [await logIn('ada'), await logIn('ada')];
    const account = await open(browser, '/account');
    assert.match(account.text, /this browser/);
    const ends = [...account.text.matchAll(/action="(\/account\/sessions\/[^"]+)"/g)].map(([, path]) => path);
    assert.ok(ends.length >= 2);
    const { fields } = formOf(account, 'make-token');
    const made = await open(browser, '/account/tokens', {
      ...fields,
      name: '<i>ci</i>',
      scopes: 'team/*:pull',
    });
    const secret = /berth_pat_\w+/.exec(made.text)?.[0] ?? '';
    const authorization = basicAuthorization('ada', secret);
    assert.equal((await registry.send('GET', '/v2/', { headers: { authorization } })).status, 200);
    const listed = await open(browser, '/account');
    assert.match(listed.text, /&#60;i&#62;ci/);
    const revoke = /href="(\/account\/tokens\/[^"]+\/revoke)"/.exec(listed.text)?.[1] ?? '';
    const question = formOf(await open(browser, revoke));
    // The first form of a page is the one that logs out.
    assert.equal((await open(browser, revoke, { csrf: '' })).status, 403);
    assert.equal((await open(await logIn('admin'), revoke)).status, 404);
    assert.equal((await open(browser, revoke, question.fields)).status, 303);
    assert.equal((await registry.send('GET', '/v2/', { headers: { authorization } })).status, 401);

    const form = formOf(await open(browser, '/account'), 'change-password');
    const wrong = await browser.send(
      form.action,
      { ...form.fields, current: 'no', password: 'another one' },
      HTML,
    );
    assert.equal(wrong.status, 403);
    const right = { ...form.fields, current: ADMIN_PASSWORD, password: 'another one' };
    assert.equal((await browser.send(form.action, right, HTML)).status, 303);
    assert.match((await open(browser, '/account?done=password')).text, /The password is changed/);
    assert.equal((await open(stolen, '/account')).status, 303);
    const audit = (await registry.admin.send('GET', '/api/v1/audit?who=ada')).body.toString();
    assert.match(audit, /"detail":"PATCH \/api\/v1\/users\/ada {}"/);
    assert.match(audit, /"detail":"POST \/api\/v1\/tokens /);
    assert.doesNotMatch(audit, /another one|berth_pat/);
  });
});

describe('what browsers and other clients get', async () => {
  const registry = await startInProcessRegistry({ after });

  test('only a browser gets pages', async () => {
    for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
      const answer = await registry.send('GET', '/', { headers });
      assert.match(answer.body.toString(), /^This is a Berth registry/);
      assert.equal((await registry.send('GET', '/repositories/x', { headers })).status, 404);
      assert.match((await registry.send('GET', '/account', { headers })).body.toString(), /^{"errors"/);
    }
    const page = await registry.send('GET', '/', { headers: HTML });
    assert.match(page.headers['content-type'] ?? '', /text\/html/);
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    assert.match(String(page.headers['content-security-policy']), /^default-src 'self';/);
    const head = await registry.send('HEAD', '/', { headers: HTML });
    assert.equal(head.headers['content-length'], String(page.body.length));
    const missing = await registry.send('GET', '/admin/nothing', { headers: HTML });
    assert.equal(missing.status, 404);
    assert.match(missing.body.toString(), /There is no page at this address/);
    for (const path of ['/v2/', '/v2/_catalog']) {
      assert.equal(
        (await registry.send('GET', path, { headers: HTML })).headers['content-type'],
        'application/json',
      );
    }
  });

  test('what a page loads is kept for ever, compressed, and changes its name with its content', async () => {
    const headers = { ...HTML, 'accept-encoding': 'gzip' };
    const page = gunzipOr((await registry.send('GET', '/', { headers })).body);
    const paths = [...page.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? '');
    assert.equal(new Set(paths).size, 3);
    for (const path of paths) {
      const plain = await registry.send('GET', path);
      const packed = await registry.send('GET', path, { headers: { 'accept-encoding': 'gzip' } });
      assert.equal(packed.headers['cache-control'], 'public, max-age=31536000, immutable');
      assert.deepEqual(gunzipSync(packed.body), plain.body);
    }
    assert.equal((await registry.send('GET', '/assets/other.css')).status, 404);
    assert.equal((await registry.send('POST', paths[0] ?? '')).status, 405);
  });

  test('open to all, everybody deletes and restores by forms of this server, without https too', async () => {
    await registry.pushImage('team/app', '1.0');
    const browser = new CookieBrowser();
    const lan = { ...HTML, host: 'registry.lan:5000' };
    const path = `${registry.url}/repositories/team/app/-/delete?reference=1.0`;
    const page = await browser.send(path, undefined, lan);
    const { fields } = formOf(page);
    assert.doesNotMatch(page.text, /Log in/);
    const send = (form: Record<string, string>, origin: string) =>
      browser.send(path, form, { ...lan, origin });
    assert.equal((await send(fields, 'http://evil.example')).status, 403);
    assert.equal((await send({ csrf: '' }, 'http://registry.lan:5000')).status, 403);
    assert.equal((await send(fields, 'http://registry.lan:5000')).status, 303);
    assert.equal((await registry.send('HEAD', '/v2/team/app/manifests/1.0')).status, 404);
    const deleted = `${registry.url}/repositories/team/app/-/deleted`;
    const back = formOf(await browser.send(deleted, undefined, HTML));
    assert.equal((await browser.send(deleted, back.fields, HTML)).status, 303);
    assert.equal((await registry.send('HEAD', '/v2/team/app/manifests/1.0')).status, 200);
  });

  test('with --page off browsers get what others get, but for logins', async () => {
    const quiet = await startRegistryWithAccounts({ after }, { page: false });
    const root = await quiet.send('GET', '/', { headers: HTML });
    assert.match(root.body.toString(), /^This is a Berth registry/);
    assert.equal((await quiet.send('GET', '/account', { headers: HTML })).status, 404);
    const login = (await quiet.send('GET', '/auth/', { headers: HTML })).body.toString();
    const style = /href="(\/assets\/[^"]+\.css)"/.exec(login)?.[1] ?? '';
    assert.equal((await quiet.send('GET', style)).status, 200);
  });
});

function gunzipOr(body: Buffer): string {
  return (body[0] === 0x1f ? gunzipSync(body) : body).toString();
}

test('while the database is away, a browser gets a page that says so, with its style', async () => {
  const app = new Koa<RequestState>();
  const surroundings = {
    offers: { pages: true, logins: true, fleet: false },
    pathPrefix: '',
    log: pino({ level: 'silent' }),
    refused: () => {},
  };
  const browsers = answerBrowsers(surroundings, {} as PageDependencies);
  app.use(answerErrors(surroundings.log));
  app.use((ctx, next) => {
    const origin = { protocol: 'http' as const, host: 'localhost', remote: undefined };
    Object.assign(ctx.state, { origin, pathPrefix: '', signal: new AbortController().signal });
    return next();
  });
  app.use(browsers.before);
  app.use(() => {
    throw new RegistryError('DATABASE_UNAVAILABLE');
  });
  const server = http.createServer(app.callback());
  await listen(server, { host: '127.0.0.1', port: 0 });
  try {
    const { port } = server.address() as AddressInfo;
    const send = (path: string, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers });
    const page = await send('/', HTML);
    const text = await page.text();
    assert.equal(page.status, 503);
    assert.equal(page.headers.get('retry-after'), '10');
    assert.match(text, /Not available right now[\s\S]*database cannot be reached/);
    const style = /href="(\/assets\/[^"]+\.css)"/.exec(text)?.[1] ?? '';
    assert.equal((await send(style)).status, 200);
    const other = await send('/');
    assert.equal(other.status, 503);
    assert.match(other.headers.get('content-type') ?? '', /json/);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
