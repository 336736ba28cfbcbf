import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { parseForwarded, parseTrustedProxies, requestOrigin } from '../../../server/http/forwarded.ts';
import { fc } from '../../support/properties.ts';

const PROXIES = parseTrustedProxies(['10.0.0.0/8', 'fd00::/8', '192.0.2.7']);

function origin(headers: IncomingHttpHeaders, remoteAddress = '10.0.0.1') {
  const req = { headers: { host: 'inner:5000', ...headers }, socket: { remoteAddress } };
  return requestOrigin(req as unknown as IncomingMessage, PROXIES);
}

test('networks: IPv4, also when mapped, IPv6 and single addresses', () => {
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd12::1', '192.0.2.7']) {
    assert.equal(PROXIES.includes(address), true, address);
  }
  for (const address of ['11.0.0.1', '::ffff:11.0.0.1', 'fe80::1', '192.0.2.8', '', 'x', undefined]) {
    assert.equal(PROXIES.includes(address), false, String(address));
  }
});

for (const text of ['', '10.0.0.0/33', '10.0.0/8', 'fd00::/129', 'proxy.example', '10.0.0.0/x', '/8']) {
  test(`"${text}" is no network`, () => {
    assert.throws(() => parseTrustedProxies([text]), /is not a network/);
  });
}

test('nobody but a trusted proxy is believed', () => {
  const headers = {
    forwarded: 'for=1.2.3.4;proto=https;host=evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-for': '1.2.3.4',
  };
  assert.deepEqual(origin(headers, '203.0.113.9'), {
    protocol: 'http',
    host: 'inner:5000',
    remote: '203.0.113.9',
  });
});

test('of Forwarded and of X-Forwarded-* alone the first element counts where no client is named', () => {
  const standard = { forwarded: 'proto=https;host="registry.example:8443", proto=http;host=inner.example' };
  assert.deepEqual(origin(standard), {
    protocol: 'https',
    host: 'registry.example:8443',
    remote: '10.0.0.1',
  });
  const customary = {
    'x-forwarded-proto': 'https, http',
    'x-forwarded-host': 'registry.example , inner',
    'x-forwarded-for': '198.51.100.1',
  };
  assert.deepEqual(origin(customary), {
    protocol: 'https',
    host: 'registry.example',
    remote: '198.51.100.1',
  });
});

test('Forwarded names the client as X-Forwarded-For does, and the element that does tells host and protocol', () => {
  for (const [header, remote] of [
    ['for=198.51.100.1', '198.51.100.1'],
    ['for=1.1.1.1, for=198.51.100.1, for=10.2.2.2', '198.51.100.1'],
    ['for="[2001:db8::1]:4711"', '2001:db8::1'],
    ['for=10.9.9.9, for="[fd00::7]"', '10.9.9.9'],
    ['for=1.1.1.1, for=unknown, for=10.2.2.2', '10.2.2.2'],
    ['for=1.1.1.1, for=_hidden', '10.0.0.1'],
    ['proto=https', '10.0.0.1'],
  ] as const) {
    assert.equal(origin({ forwarded: header }).remote, remote, header);
  }
  const madeUp = 'for=1.1.1.1;host=evil.example;proto=http';
  const chain = `${madeUp}, for=198.51.100.1;host=registry.example;proto=https, for=10.2.2.2;host=inner`;
  assert.deepEqual(origin({ forwarded: chain }), {
    protocol: 'https',
    host: 'registry.example',
    remote: '198.51.100.1',
  });
});

test('where a proxy sends both kinds, one of which its client may have made up, only what they agree on counts', () => {
  const forwarded = 'for=198.51.100.1;host=registry.example;proto=https';
  const same = {
    forwarded,
    'x-forwarded-for': '9.9.9.9, 198.51.100.1',
    'x-forwarded-host': 'registry.example',
    'x-forwarded-proto': 'https',
  };
  const agreed = { protocol: 'https', host: 'registry.example', remote: '198.51.100.1' } as const;
  assert.deepEqual(origin(same), agreed);
  assert.equal(origin({ ...same, 'x-forwarded-for': '9.9.9.9' }).remote, '10.0.0.1');
  assert.equal(origin({ ...same, forwarded: 'for=9.9.9.9' }).remote, '10.0.0.1');
  assert.equal(origin({ ...same, forwarded: 'nonsense' }).remote, '10.0.0.1');
  assert.equal(origin({ ...same, 'x-forwarded-host': 'evil.example' }).host, 'inner:5000');
  assert.equal(origin({ ...same, 'x-forwarded-proto': 'http' }).protocol, 'http');
});

test('where a proxy sends both kinds, neither fills the gaps of the other', () => {
  const standard = ['for=198.51.100.1', 'host=registry.example', 'proto=https'] as const;
  const customary = {
    'x-forwarded-for': '198.51.100.1',
    'x-forwarded-host': 'registry.example',
    'x-forwarded-proto': 'https',
  } as const;
  const fields = ['remote', 'host', 'protocol'] as const;
  const direct = origin({});
  const expected = origin(customary);
  for (const [index, field] of fields.entries()) {
    const forwarded = standard.toSpliced(index, 1).join(';');
    assert.deepEqual(origin({ ...customary, forwarded }), { ...expected, [field]: direct[field] });
    const name = Object.keys(customary)[index] ?? '';
    const gap = { ...customary, [name]: '', forwarded: standard.join(';') };
    assert.deepEqual(origin(gap), { ...expected, [field]: direct[field] });
  }
  const evil = 'evil.example';
  assert.equal(origin({ forwarded: 'for=198.51.100.1', 'x-forwarded-host': evil }).host, 'inner:5000');
  assert.equal(origin({ forwarded: `host=${evil}`, 'x-forwarded-for': '198.51.100.1' }).host, 'inner:5000');
});

test('what is no host is not taken for one', () => {
  for (const host of ['a/b', 'a b', 'user@host', 'a:b', '', 'a\r\nb', 'x'.repeat(300)]) {
    assert.equal(origin({ 'x-forwarded-host': host }).host, 'inner:5000', host);
  }
  assert.equal(origin({ 'x-forwarded-host': '[2001:db8::1]:443' }).host, '[2001:db8::1]:443');
});

test('the client is the last address that is no proxy; what anybody can put before it does not count', () => {
  for (const [header, remote] of [
    ['198.51.100.1', '198.51.100.1'],
    ['1.1.1.1, 198.51.100.1, 10.2.2.2', '198.51.100.1'],
    ['198.51.100.1:4711', '198.51.100.1'],
    ['[2001:db8::1]:4711', '2001:db8::1'],
    ['10.9.9.9', '10.9.9.9'],
    ['10.9.9.9, fd00::7, 10.2.2.2', '10.9.9.9'],
    ['1.1.1.1, nonsense, 10.2.2.2', '10.2.2.2'],
    ['1.1.1.1, nonsense', '10.0.0.1'],
    ['', '10.0.0.1'],
  ] as const) {
    assert.equal(origin({ 'x-forwarded-for': header }).remote, remote, header);
  }
});

test('Forwarded: quotes, escapes, separators within them, and what does not parse', () => {
  assert.deepEqual(
    parseForwarded('For="[2001:db8::1]:4711";Proto=https, host="a\\"b,c;d" , junk; by=x').map((element) => ({
      ...element,
    })),
    [{ for: '[2001:db8::1]:4711', proto: 'https' }, { host: 'a"b,c;d' }, { by: 'x' }],
  );
});

test('Forwarded: what is written comes back, whatever the values', () => {
  const value = fc.string({ unit: fc.constantFrom('a', '1', '"', '\\', ',', ';', '=', ' ') });
  const element = fc.record({ host: value, proto: value }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(element, { minLength: 1 }), (elements) => {
      const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
      const header = elements
        .map(({ host, proto }) => `host=${quote(host)};proto=${quote(proto)}`)
        .join(', ');
      assert.deepEqual(
        parseForwarded(header).map((found) => ({ ...found })),
        elements,
      );
    }),
  );
});

test('a host that no URL can have is none', () => {
  for (const host of ['.0', '1.2.3.4.5', '[::', '[1]', 'a:99999']) {
    assert.equal(origin({ 'x-forwarded-host': host }).host, origin({}).host, host);
  }
});

test('whatever the headers, the origin can stand in a URL', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (forwarded, host, proto) => {
      const found = origin({ forwarded, 'x-forwarded-host': host, 'x-forwarded-proto': proto });
      assert.ok(URL.canParse(`${found.protocol}://${found.host}/token`), JSON.stringify(found));
    }),
  );
});
