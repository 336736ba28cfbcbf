import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback } from '../../../../lib/http/addresses.ts';

test('hosts that mean this machine, and others', () => {
  for (const address of ['localhost', '127.0.0.1', '127.8.9.1', '::1', '[::1]', '::ffff:127.0.0.1']) {
    assert.equal(isLoopback(address), true, address);
  }
  for (const address of [
    '',
    '10.0.0.127',
    '1270.0.0.1',
    '127.example.org',
    '::ffff:10.127.0.1',
    '2001:db8::1',
  ]) {
    assert.equal(isLoopback(address), false, address);
  }
});
