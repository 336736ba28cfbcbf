import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANONYMOUS, type Identity } from '../../../auth/access/access.ts';
import { NO_RIGHTS } from '../../../auth/access/rights.ts';
import { TokenLimit } from '../../../auth/limits/token-limit.ts';

const user = (name: string): Identity => ({
  kind: 'user',
  name,
  rights: NO_RIGHTS,
  proof: { kind: 'password' },
});

function limited(perMinute: number) {
  let now = 0;
  const limit = new TokenLimit(perMinute, () => now);
  const allowed = (count: () => void) => {
    try {
      count();
      return true;
    } catch (error) {
      assert.equal((error as { code: string }).code, 'TOO_MANY_TOKENS');
      return (error as { retryAfter: number }).retryAfter;
    }
  };
  return {
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
    token: (identity: Identity) => allowed(() => limit.countToken(identity)),
    request: (address: string | undefined) => allowed(() => limit.countRequest(address)),
  };
}

test('an account that asks for too many tokens waits, and others do not', () => {
  const { pass, token } = limited(60);
  for (let turn = 0; turn < 60; turn++) assert.equal(token(user('ada')), true);
  assert.equal(token(user('ada')), 1);
  assert.equal(token(user('bob')), true);
  assert.equal(
    token({ ...user('ada'), kind: 'robot' } as Identity),
    true,
    'a robot of the same name is another',
  );
  pass(1000);
  assert.equal(token(user('ada')), true);
  assert.equal(token(user('ada')), 1);
  pass(600_000);
  for (let turn = 0; turn < 60; turn++) assert.equal(token(user('ada')), true);
  assert.equal(token(user('ada')), 1);
});

test('an address may ask for five times as many, and a network of IPv6 is one address', () => {
  const { request } = limited(10);
  for (let turn = 0; turn < 50; turn++) assert.equal(request(`2001:db8::${turn}`), true);
  assert.equal(request('2001:db8::ffff'), 2);
  assert.equal(request('2001:db8:0:1::1'), true);
  assert.equal(request('192.0.2.1'), true);
});

test('who is nobody is counted by the address alone', () => {
  const { token } = limited(1);
  for (let turn = 0; turn < 5; turn++) assert.equal(token(ANONYMOUS), true);
});
