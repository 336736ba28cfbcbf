import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { COMMAND_HELP } from '../../../server/cli/help.ts';
import { type ConfigSources, loadConfig } from '../../../server/config/config.ts';
import { SETTINGS } from '../../../server/config/settings.ts';
import { NO_PROXIES } from '../../../server/http/forwarded.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const load = (sources: Partial<ConfigSources> = {}) =>
  loadConfig({ flags: {}, env: { HOME: '/home/ada' }, isRoot: false, ...sources });

test('defaults of an ordinary user', () => {
  const config = load();
  assert.deepEqual(config, {
    listen: { host: '127.0.0.1', port: 5000 },
    data: '/home/ada/.local/share/berth',
    secretsKey: '/home/ada/.local/share/berth/secrets.key',
    auth: 'accounts',
    tokens: { challenge: 'bearer', issuer: 'berth', life: 300, limit: 6000, services: ['berth'] },
    logLevel: 'info',
    page: true,
    deletes: true,
    readOnly: false,
    gcInterval: 86_400_000,
    gcGrace: 86_400_000,
    gcUntagged: false,
    auditRetention: 90 * 24 * 60 * 60 * 1000,
    accountCopies: true,
    webhookPrivate: false,
    corsOrigins: [],
    pathPrefix: '',
    shutdownDelay: 0,
    trustedProxies: NO_PROXIES,
    watchdog: 10_000,
  });
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.listen));
});

test('the data folder of root, and of a user with XDG_DATA_HOME', () => {
  assert.equal(load({ isRoot: true }).data, '/var/lib/berth');
  assert.equal(load({ env: { HOME: '/home/ada', XDG_DATA_HOME: '/data/ada' } }).data, '/data/ada/berth');
  assert.throws(() => load({ env: {} }), ConfigError);
});

test('the watchdog has a limit of seconds, or is off', () => {
  assert.equal(load({ flags: { watchdog: '90s' } }).watchdog, 90_000);
  assert.equal(load({ flags: { watchdog: 'off' } }).watchdog, undefined);
  for (const watchdog of ['0s', '2h', '10', 'on', '']) {
    assert.throws(() => load({ flags: { watchdog } }), ConfigError);
  }
});

test('flags win over the environment, and that over the file', async (t) => {
  const file = join(await makeTempDir(t), 'berth.json');
  await writeFile(
    file,
    JSON.stringify({ listen: '127.0.0.1:1', data: '/file', auth: 'none', logLevel: 'warn' }),
  );
  const env = { BERTH_LISTEN: '127.0.0.1:2', BERTH_DATA: '/env' };
  const config = load({ flags: { config: file, listen: '127.0.0.1:3' }, env });
  assert.equal(config.listen.port, 3);
  assert.equal(config.data, '/env');
  assert.equal(config.auth, 'none');
  assert.equal(config.logLevel, 'warn');
});

test('how many tokens an account may ask for', () => {
  assert.equal(load({ flags: { tokenLimit: '20' } }).tokens.limit, 20);
  assert.equal(load({ flags: { tokenLimit: '0' } }).tokens.limit, undefined);
  assert.throws(() => load({ flags: { tokenLimit: 'many' } }), ConfigError);
});

test('whose tokens count', async (t) => {
  const folder = await makeTempDir(t);
  const jwks = join(folder, 'keys.json');
  await writeFile(jwks, '{"keys":[{"kty":"EC"}]}');
  await writeFile(join(folder, 'empty.json'), '{}');
  const flags = {
    auth: 'token',
    tokenRealm: 'https://id.example/token',
    tokenIssuer: 'id.example',
    tokenService: ['registry.example', 'other'],
    tokenJwks: jwks,
  };
  assert.deepEqual(load({ flags }).tokens, {
    challenge: 'bearer',
    issuer: 'id.example',
    life: 300,
    limit: 6000,
    services: ['registry.example', 'other'],
    realm: 'https://id.example/token',
    outsideKeys: { set: { keys: [{ kty: 'EC' }] } },
  });
  const url = 'https://id.example/keys';
  assert.deepEqual(load({ flags: { ...flags, tokenJwks: url } }).tokens.outsideKeys, { url: new URL(url) });
  for (const wrong of [
    { tokenJwks: undefined },
    { tokenJwks: join(folder, 'absent.json') },
    { tokenJwks: join(folder, 'empty.json') },
    { tokenIssuer: undefined },
    { tokenRealm: undefined },
    { tokenRealm: 'ftp://id.example' },
    { tokenService: ['a"b'] },
    { auth: 'accounts' },
    { challenge: 'digest' },
    { tokenLife: '59s' },
    { tokenLife: '61m' },
    { tokenLife: 'long' },
  ]) {
    assert.throws(() => load({ flags: { ...flags, ...wrong } }), ConfigError, JSON.stringify(wrong));
  }
});

test('addresses to listen on', () => {
  const listen = (text: string) => load({ flags: { listen: text } }).listen;
  assert.deepEqual(listen('0.0.0.0:80'), { host: '0.0.0.0', port: 80 });
  assert.deepEqual(listen('[::1]:5000'), { host: '::1', port: 5000 });
  assert.deepEqual(listen('localhost:0'), { host: 'localhost', port: 0 });
  for (const text of [
    '',
    '5000',
    ':5000',
    'host',
    'host:',
    'host:65536',
    '::1:5000',
    'host:-1',
    'a:b:1',
    'http://h:1',
  ]) {
    assert.throws(() => listen(text), ConfigError, text);
  }
});

test('unknown values are refused', () => {
  assert.throws(
    () => load({ flags: { auth: 'off' } }),
    /"off" is not a known auth: choose one of accounts, token, none/,
  );
  assert.throws(() => load({ env: { BERTH_LOG_LEVEL: 'loud', HOME: '/' } }), ConfigError);
  assert.throws(() => load({ flags: { data: '' } }), ConfigError);
});

test('files that cannot be used are refused', async (t) => {
  const folder = await makeTempDir(t);
  const write = async (text: string) => {
    const file = join(folder, 'berth.json');
    await writeFile(file, text);
    return { flags: { config: file } };
  };
  const unknown = await write('{"lisen": "127.0.0.1:1"}');
  assert.throws(() => load(unknown), /unknown key "lisen"/);
  const wrongType = await write('{"listen": 5000}');
  assert.throws(() => load(wrongType), /"listen" must be text/);
  const array = await write('[]');
  assert.throws(() => load(array), /must contain a JSON object/);
  const broken = await write('{');
  assert.throws(() => load(broken), /is not JSON/);
  assert.throws(() => load({ flags: { config: join(folder, 'none.json') } }), /cannot be read \(ENOENT\)/);
});

test('the interval of garbage collections', () => {
  const intervalOf = (gcInterval: string) =>
    loadConfig({ flags: { data: '/x', gcInterval }, env: {}, isRoot: false }).gcInterval;
  assert.equal(intervalOf('off'), undefined);
  assert.equal(intervalOf('90m'), 5_400_000);
  assert.equal(intervalOf('24d'), 24 * 86_400_000);
  for (const wrong of ['', '0s', '59s', '25d', '24', '1.5h', 'often']) {
    assert.throws(() => intervalOf(wrong), /is not an interval of garbage collections/);
  }
});

test('every variable can come from a file, which is named by the same variable with _FILE', async (t) => {
  const folder = await makeTempDir(t);
  const [database, password] = [join(folder, 'database'), join(folder, 'password')];
  await writeFile(database, 'postgres://berth:a-secret@localhost/berth\n');
  await writeFile(password, 'a password of tests\r\n');
  const env = { HOME: '/home/ada', BERTH_DATABASE_FILE: database, BERTH_ADMIN_PASSWORD_FILE: password };
  const config = load({ env });
  assert.equal(config.database, 'postgres://berth:a-secret@localhost/berth');
  assert.equal(config.adminPassword, 'a password of tests');
  assert.throws(
    () => load({ env: { ...env, BERTH_DATABASE: 'postgres://x/y' } }),
    /are both set: choose one/,
  );
  assert.throws(
    () => load({ env: { HOME: '/home/ada', BERTH_STORAGE_FILE: join(folder, 'none') } }),
    /none, which BERTH_STORAGE_FILE names, cannot be read \(ENOENT\)/,
  );
});

test('deletes, path prefix, origins and proxies', async (t) => {
  const config = load({
    flags: {
      deletes: 'off',
      readOnly: 'on',
      pathPrefix: '/team/registry/',
      corsOrigin: ['https://ui.example', 'http://localhost:3000'],
    },
    env: { HOME: '/home/ada', BERTH_TRUSTED_PROXY: '10.0.0.0/8,::1' },
  });
  assert.equal(config.deletes, false);
  assert.equal(config.readOnly, true);
  assert.equal(config.pathPrefix, '/team/registry');
  assert.deepEqual(config.corsOrigins, ['https://ui.example', 'http://localhost:3000']);
  assert.equal(config.trustedProxies.includes('10.1.1.1'), true);
  assert.equal(config.trustedProxies.includes('11.1.1.1'), false);
  assert.equal(load({ flags: { pathPrefix: '/' } }).pathPrefix, '');

  const file = join(await makeTempDir(t), 'berth.json');
  await writeFile(file, JSON.stringify({ corsOrigin: ['*'], trustedProxy: ['127.0.0.1'] }));
  const fromFile = load({ flags: { config: file } });
  assert.deepEqual(fromFile.corsOrigins, ['*']);
  assert.equal(fromFile.trustedProxies.includes('127.0.0.1'), true);
  await writeFile(file, JSON.stringify({ listen: ['127.0.0.1:1'] }));
  assert.throws(() => load({ flags: { config: file } }), ConfigError);
});

for (const flags of [
  { deletes: 'maybe' },
  { pathPrefix: 'registry' },
  { pathPrefix: '/a/../b' },
  { pathPrefix: '/a b' },
  { pathPrefix: '/:name' },
  { corsOrigin: ['ui.example'] },
  { corsOrigin: ['https://ui.example/'] },
  { corsOrigin: ['https://ui.example/path'] },
  { trustedProxy: ['everybody'] },
  { trustedProxy: ['10.0.0.0/64'] },
]) {
  test(`${JSON.stringify(flags)} is refused with a sentence`, () => {
    assert.throws(() => load({ flags }), ConfigError);
  });
}

test('garbage collection by itself keeps as long, and goes as far, as it is told', () => {
  const { gcGrace, gcUntagged } = load({
    flags: { gcGrace: '0s' },
    env: { HOME: '/x', BERTH_GC_GRACE: '1h', BERTH_GC_UNTAGGED: 'on' },
  });
  assert.deepEqual([gcGrace, gcUntagged], [0, true]);
  assert.equal(load({ flags: { gcGrace: '90m' } }).gcGrace, 5_400_000);
  assert.throws(() => load({ flags: { gcGrace: 'soon' } }), /"soon" is not a grace period/);
  assert.throws(() => load({ flags: { gcUntagged: 'yes' } }), /"yes" is not a known setting of gc-untagged/);
});

test('the help of serve shows every option, its variable and the default that holds', () => {
  for (const [key, { option, variable, usual }] of Object.entries(SETTINGS)) {
    assert.match(COMMAND_HELP.serve, new RegExp(`^  --${option} [^]*?\\b${variable}\\b`, 'm'), option);
    if (usual === undefined || !/^\d+[smhd]?$|^\d+\.|^(?:on|off|info|accounts|bearer|never)$/.test(usual))
      continue;
    if (['httpRedirect', 'metrics'].includes(key)) continue;
    const flag = SETTINGS[key as keyof typeof SETTINGS].kind === 'list' ? [usual] : usual;
    assert.deepEqual(load({ flags: { [key]: flag } }), load({}), option);
  }
});
