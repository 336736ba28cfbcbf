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
  };
  const registry = await startRegistryWithAccounts({ after });
  const provider = await startPeopleProvider({ after }, `${registry.url}/auth/callback`, people);
  const { store } = registry;
  await store.teams.create('dev');
  await store.teams.create('other');
  await store.providers.create({
    name: 'work',
    issuer: provider.issuer,
    ...CLIENT,
    nameClaim: 'preferred_username',
    groupsClaim: 'groups',
    groups: { developers: 'dev' },
  });
  const start = `${registry.url}/auth/login?provider=work`;

  test('the first login makes an account without a password, which makes tokens', async () => {
    const browser = new CookieBrowser();
    const page = await logInAs(browser, start, 'sub-ada');
    assert.equal(page.url, `${registry.url}/auth/`);
    assert.match(page.text, /<strong id="name">ada<\/strong>/);
    assert.deepEqual((await store.teams.find('dev'))?.members, ['ada']);
    assert.equal((await store.accounts.find('ada'))?.passwordHash, undefined);
    const { action, fields } = formOf(page, 'make-token');
    const made = await browser.send(action, fields);
    assert.equal(made.status, 201);
    const secret = /berth_pat_\w+/.exec(made.text)?.[0] ?? '';
    assert.match(made.text, new RegExp(`docker login --username ada 127.0.0.1:${registry.port}`));
    const headers = { authorization: basicAuthorization('ada', secret) };
    assert.equal((await registry.send('GET', '/v2/', { headers })).status, 200);
  });
});
