import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf, siteOf } from '../../../../lib/http/addresses.ts';

test('of IPv6 a network counts, of IPv4 an address', () => {
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1');
  assert.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(networkOf('::ffff:c000:201'), '192.0.2.1');
  assert.equal(networkOf('0:0:0:0:0:FFFF:192.0.2.1'), '192.0.2.1');
  assert.equal(networkOf('1:2:3:4:5:6:192.0.2.1'), '1:2:3:4');
  assert.equal(networkOf('::1'), '0:0:0:0');
  assert.equal(networkOf('2001:db8:0:1::5'), networkOf('2001:0db8::1:aaaa:bbbb:cccc:dddd'));
  assert.notEqual(networkOf('2001:db8:0:1::5'), networkOf('2001:db8:0:2::5'));
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0');
  assert.equal(networkOf(undefined), 'unknown');
});

test('a site is of IPv6 alone', () => {
  assert.equal(siteOf('2001:db8:1:2::3'), '2001:db8:1');
  for (const address of ['192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201', undefined]) {
    assert.equal(siteOf(address), undefined);
  }
});
