import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { readCommandLine } from '../../../runtime-agent/cli/command-line.ts';
import { HELP } from '../../../runtime-agent/cli/help.ts';
import { readConfig } from '../../../runtime-agent/config.ts';
import { AGENT_SETTINGS } from '../../../runtime-agent/settings.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

describe('the configuration of the agent', () => {
  test('has defaults, and is frozen', () => {
    const config = readConfig({}, {});
    assert.deepEqual(config, {
      socket: '/run/berth-agent.sock',
      dataDirectory: '/var/lib/berth-agent',
      insecureRegistries: [],
      discardLayerBlobs: false,
      registryMirrors: [],
      registryAuthFiles: [],
      layerLimit: 100 * 2 ** 30,
      buildContextLimit: 20 * 2 ** 30,
      buildCacheLimit: 20 * 2 ** 30,
      allowedEntitlements: ['network.host'],
      logLevel: 'info',
      watchdog: 10_000,
    });
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.insecureRegistries));
  });

  test('the authority of the ingress needs both of its listeners, and an address of https', () => {
    const all = { ingress: '*:80 [::]:80'.split(' '), ingressTls: '*:443'.split(' ') };
    const acme = 'https://ca.test/directory';
    assert.deepEqual(readConfig(all, { BERTH_AGENT_INGRESS_ACME: acme }).ingress, {
      plain: [
        { address: '*', port: 80 },
        { address: '::', port: 80 },
      ],
      secure: [{ address: '*', port: 443 }],
      acme,
    });
    for (const flags of [{}, { ingress: all.ingress }, { ingressTls: all.ingressTls }]) {
      assert.throws(() => readConfig({ ...flags, ingressAcme: acme }, {}), /--ingress-acme needs --ingress/);
    }
    assert.throws(() => readConfig({ ...all, ingressAcme: 'http://ca.test' }, {}), /an HTTPS URL/);
  });

  test('proxies: flags, then BERTH_AGENT_, then the file, then what all programs read', async (t) => {
    const path = join(await makeTempDir(t, 'config'), 'agent.json');
    await writeFile(path, JSON.stringify({ httpProxy: 'file:1', httpsProxy: 'file:1', noProxy: 'file' }));
    const read = (flags: object, environment: Readonly<Record<string, string>>) => {
      const { proxies } = readConfig(flags, environment);
      return proxies && [proxies.http?.host, proxies.https?.host, proxies.except];
    };
    const common = { HTTP_PROXY: 'all:1', http_proxy: 'small:1', https_proxy: 'small:1', no_proxy: 'small' };
    assert.deepEqual(read({}, common), ['all:1', 'small:1', 'small']);
    assert.deepEqual(read({ config: path }, common), ['file:1', 'file:1', 'file']);
    const own = { ...common, BERTH_AGENT_HTTPS_PROXY: 'own:1', BERTH_AGENT_NO_PROXY: 'own' };
    assert.deepEqual(read({ config: path }, own), ['file:1', 'own:1', 'own']);
    assert.deepEqual(read({ httpProxy: 'flag:1', noProxy: '' }, own), ['flag:1', 'own:1', '']);
    assert.equal(read({ httpProxy: '', httpsProxy: '' }, common), undefined);
    const proxies = readCommandLine(['serve', '--http-proxy=a:1', '--https-proxy=b:1', '--no-proxy=c'], {});
    assert.deepEqual(proxies.kind === 'serve' && proxies.config.proxies?.except, 'c');
  });

  test('a proxy that cannot be used is refused, its password not repeated', () => {
    for (const environment of [
      { HTTPS_PROXY: 'socks5://u:hunter2@a:1' },
      { https_proxy: 'http://u:hunter2@a:b' },
    ]) {
      assert.throws(
        () => readConfig({}, environment),
        (error) =>
          error instanceof ConfigError &&
          /^the proxy of --https-proxy or HTTPS_PROXY cannot be used: it takes/.test(error.message) &&
          !error.message.includes('hunter2'),
      );
    }
  });

  test('flags win over the environment, that over the file', async (t) => {
    const path = join(await makeTempDir(t, 'config'), 'agent.json');
    const file = {
      socket: '/f.sock',
      data: '/f',
      insecureRegistries: ['f:1'],
      socketGroup: 'f',
      discardLayerBlobs: true,
      buildContextLimit: '1g',
      logLevel: 'debug',
    };
    await writeFile(path, JSON.stringify(file));
    const environment = {
      BERTH_AGENT_SOCKET: '/e.sock',
      BERTH_AGENT_INSECURE_REGISTRIES: 'e:1, e:2',
      BERTH_AGENT_REGISTRY_AUTH: '/e/auth.json:/g',
      BERTH_AGENT_BUILD_CACHE_LIMIT: '1m',
      BERTH_AGENT_ALLOW_BUILD: 'network.host, security.insecure',
      BERTH_AGENT_LOG_LEVEL: '',
      BERTH_AGENT_WATCHDOG: 'off',
    };
    assert.deepEqual(readConfig({ socket: '/a.sock', config: path }, environment), {
      socket: '/a.sock',
      socketGroup: 'f',
      dataDirectory: '/f',
      insecureRegistries: ['e:1', 'e:2'],
      discardLayerBlobs: true,
      registryMirrors: [],
      registryAuthFiles: ['/e/auth.json', '/g'],
      layerLimit: 100 * 2 ** 30,
      buildContextLimit: 2 ** 30,
      buildCacheLimit: 2 ** 20,
      allowedEntitlements: ['network.host', 'security.insecure'],
      logLevel: 'debug',
    });
  });

  test('entitlements of builds are named, or none', () => {
    const allowed = (...args: readonly string[]) => {
      const command = readCommandLine(['serve', ...args], {});
      return command.kind === 'serve' && command.config.allowedEntitlements;
    };
    assert.deepEqual(allowed('--allow-build=none'), []);
    assert.deepEqual(allowed('--allow-build=security.insecure'), ['security.insecure']);
    assert.throws(
      () => allowed('--allow-build=all'),
      /--allow-build takes network.host, security.insecure or none/,
    );
  });

  test('the watchdog has a limit of seconds, or is off', () => {
    assert.equal(readConfig({ watchdog: '1m30s' }, {}).watchdog, 90_000);
    assert.equal(readConfig({ watchdog: 'off' }, {}).watchdog, undefined);
    for (const watchdog of ['0s', '999ms', '2h', '10', 'on', '']) {
      assert.throws(() => readConfig({ watchdog }, {}), /--watchdog takes off, or 1s to 1h/);
    }
  });

  test('help shows the defaults that hold, and each option and variable', () => {
    for (const [key, { option, variable, usual }] of Object.entries(AGENT_SETTINGS)) {
      assert.match(HELP, new RegExp(`^  --${option}\\b[^]*?\\b${variable}\\b`, 'm'), option);
      if (usual !== undefined && /^[\d/]|^info$/.test(usual)) {
        assert.deepEqual(readConfig({ [key]: usual }, {}), readConfig({}, {}), option);
      }
    }
  });

  test('relative paths are made absolute', () => {
    assert.equal(readConfig({ socket: 'a.sock' }, {}).socket, join(process.cwd(), 'a.sock'));
  });

  for (const host of ['127.0.0.1:5000', 'registry.example.com', '[::1]:5000', 'localhost:1']) {
    test(`${host} is a registry`, () =>
      assert.deepEqual(readConfig({ insecureRegistries: [host] }, {}).insecureRegistries, [host]));
  }
  for (const host of ['http://a', 'a/b', 'a:0', 'a:65536', '', ' ', 'a:b', '-a']) {
    test(`"${host}" is no registry`, () =>
      assert.throws(() => readConfig({ insecureRegistries: [host] }, {}), ConfigError));
  }

  const files = { tlsAuthority: '/ca', tlsCertificate: '/crt', tlsKey: '/key' };
  for (const [listen, host, port] of [
    ['10.0.0.5:2376', '10.0.0.5', 2376],
    ['[::1]:0', '::1', 0],
    ['host.example:1', 'host.example', 1],
  ] as const) {
    test(`${listen} is listened on with certificates`, () =>
      assert.deepEqual(readConfig({ listen, ...files }, {}).tcp, {
        host,
        port,
        authority: '/ca',
        certificate: '/crt',
        key: '/key',
      }));
  }
  for (const listen of ['2376', ':2376', 'a:65536', '::1:5', 'tcp://a:1', 'a:b', '']) {
    test(`"${listen}" is not listened on`, () =>
      assert.throws(() => readConfig({ listen, ...files }, {}), ConfigError));
  }
  test('TCP needs the certificates of both sides, and they need it', () => {
    const { tlsAuthority: _, ...half } = files;
    for (const flags of [{ listen: 'a:1' }, { listen: 'a:1', ...half }, files]) {
      assert.throws(() => readConfig(flags, {}), ConfigError);
    }
  });

  test('a file with another shape is refused by name', async (t) => {
    const path = join(await makeTempDir(t, 'config'), 'agent.json');
    for (const [text, message] of [
      ['{', /is not JSON/],
      ['[]', /must contain a JSON object/],
      ['{"sockets":"/a"}', /unknown key "sockets"/],
      ['{"socket":1}', /"socket" must be text/],
      ['{"insecureRegistries":[1]}', /"insecureRegistries" must be a list of texts/],
      ['{"discardLayerBlobs":"yes"}', /"discardLayerBlobs" must be true or false/],
      ['{"logLevel":"loud"}', /"loud" is not a log level/],
    ] as const) {
      await writeFile(path, text);
      assert.throws(() => readConfig({ config: path }, {}), { name: 'ConfigError', message });
    }
  });
});

describe('the command line of the agent', () => {
  test('collects registries', () => {
    const command = readCommandLine(
      [
        'serve',
        '--insecure-registry',
        'a:1',
        '--insecure-registry=b:2',
        '--data',
        '/d',
        '--socket-group',
        'docker',
      ],
      {},
    );
    assert.ok(command.kind === 'serve');
    assert.deepEqual(command.config.insecureRegistries, ['a:1', 'b:2']);
    assert.equal(command.config.socketGroup, 'docker');
  });
  test('help and version win', () => {
    assert.equal(readCommandLine(['serve', '--help'], {}).kind, 'help');
    assert.equal(readCommandLine(['-v'], {}).kind, 'version');
  });
  for (const args of [
    [],
    ['sail'],
    ['serve', 'x'],
    ['serve', '--json'],
    ['serve', '--nosuch'],
    ['serve', '--data'],
  ]) {
    test(`${args.join(' ') || 'nothing'} is refused`, () =>
      assert.throws(() => readCommandLine(args, {}), ConfigError));
  }
});
