import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chooseProxy } from '../../../../lib/http/proxies/choose-proxy.ts';
import {
  maskedProxy,
  parseProxy,
  proxyAuthorization,
  proxyEnvironment,
} from '../../../../lib/http/proxies/proxy-settings.ts';

const PROXY = new URL('http://proxy:3128');

/** Whether each address goes by the proxy. */
function proxied(except: string, addresses: readonly string[]): readonly boolean[] {
  const choose = chooseProxy({ http: PROXY, https: PROXY, except });
  return addresses.map((address) => choose(new URL(address)) === PROXY);
}

describe('the choice of a proxy', () => {
  test('goes by the scheme', () => {
    const choose = chooseProxy({ https: PROXY, except: '' });
    assert.equal(choose(new URL('https://a/')), PROXY);
    assert.equal(choose(new URL('http://a/')), undefined);
    assert.equal(chooseProxy(undefined)(new URL('https://a/')), undefined);
  });

  test('leaves out what is on this host', () => {
    const own = ['http://localhost:5000', 'https://127.0.0.1', 'http://127.9.9.9:1', 'https://[::1]:5000/'];
    assert.deepEqual(proxied('', own), [false, false, false, false]);
  });

  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['lan', ['http://lan', 'https://a.b.lan:5000'], ['http://xlan', 'http://lan.de']],
    ['.lan', ['http://a.lan'], ['http://lan']],
    ['*.lan', ['http://a.lan'], ['http://lan']],
    ['LAN , other', ['http://lan', 'http://other'], ['http://third']],
    ['lan:5000', ['https://lan:5000', 'http://a.lan:5000'], ['https://lan', 'http://lan:5001']],
    ['lan:443', ['https://lan'], ['http://lan']],
    ['10.0.0.0/8', ['http://10.255.1.2:5000'], ['http://11.0.0.1', 'http://a']],
    ['10.1.2.3', ['http://10.1.2.3:5000'], ['http://10.1.2.4']],
    ['10.1.2.3:80', ['http://10.1.2.3'], ['https://10.1.2.3']],
    ['fd00::/8', ['https://[fd00::1]:5000'], ['https://[fe80::1]']],
    ['fd00::1', ['https://[fd00:0::1]'], ['https://[fd00::2]']],
    ['[fd00::1]:443', ['https://[fd00::1]'], ['https://[fd00::1]:444']],
    ['*', ['http://a', 'https://10.1.2.3'], []],
    ['a,*', ['http://b'], []],
    [',,:80,10.0.0.0/99,x/8,[', [], ['http://10.0.0.1', 'http://a']],
  ];
  for (const [except, without, by] of cases) {
    test(`NO_PROXY=${except}`, () => {
      assert.deepEqual(
        proxied(except, without),
        without.map(() => false),
      );
      assert.deepEqual(
        proxied(except, by),
        by.map(() => true),
      );
    });
  }
});

describe('the address of a proxy', () => {
  test('has http:// unless it says otherwise', () => {
    assert.equal(parseProxy('proxy:3128')?.href, 'http://proxy:3128/');
    assert.equal(parseProxy('https://u:p@[fd00::1]:8443')?.host, '[fd00::1]:8443');
    for (const text of [
      'socks5://proxy:1080',
      'http://',
      'http://a:99999',
      'ftp://a',
      'a b',
      'http://u%ZZ@a',
    ]) {
      assert.equal(parseProxy(text), undefined, text);
    }
  });

  test('is shown without its login, which is sent as it was meant', () => {
    const url = new URL('http://us%40er:p%3Ass@proxy:3128');
    assert.equal(maskedProxy(url), 'http://xxxxx:xxxxx@proxy:3128');
    assert.equal(maskedProxy(PROXY), 'http://proxy:3128');
    const { 'proxy-authorization': sent } = proxyAuthorization(url);
    assert.equal(Buffer.from(sent?.split(' ')[1] ?? '', 'base64').toString(), 'us@er:p:ss');
    assert.deepEqual(proxyAuthorization(PROXY), {});
  });

  test('goes on to other programs, in capital and small letters', () => {
    const environment = proxyEnvironment({ https: PROXY, except: '.lan' });
    assert.equal(environment.https_proxy, 'http://proxy:3128/');
    assert.equal(environment.HTTPS_PROXY, environment.https_proxy);
    assert.equal(environment.no_proxy, '.lan');
    assert.ok('http_proxy' in environment && environment.http_proxy === undefined);
  });
});
