import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Identity } from '../../../auth/access/identity.ts';
import { NO_RIGHTS } from '../../../auth/access/rights.ts';
import type { LoginMethod } from '../../../auth/authenticators/login-method.ts';
import { CredentialsInvalidError } from '../../../auth/errors.ts';
import { LimitedLogin } from '../../../auth/limits/limited-login.ts';
import { networkOf } from '../../../auth/limits/network-of.ts';

const METHOD: LoginMethod = {
  logIn: async ({ user, password }): Promise<Identity> => {
    if (password !== 'right') throw new CredentialsInvalidError();
    return { kind: 'user', name: user, rights: NO_RIGHTS, proof: { kind: 'password' } };
  },
};

function limited() {
  let now = 0;
  const login = new LimitedLogin(METHOD, () => now);
  const signal = new AbortController().signal;
  return {
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
    attempt: async (remote: string, user: string, password: string) => {
      try {
        await login.logIn({ user, password }, { remote, signal });
        return 'in';
      } catch (error) {
        return (error as { code: string }).code;
      }
    },
  };
}

test('an address that fails too often waits, and others do not', async () => {
  const { attempt, pass } = limited();
  for (let turn = 0; turn < 30; turn++) {
    assert.equal(await attempt('10.0.0.1', `user-${turn}`, 'wrong'), 'CREDENTIALS_INVALID');
  }
  assert.equal(await attempt('10.0.0.1', 'ada', 'right'), 'TOO_MANY_ATTEMPTS');
  assert.equal(await attempt('10.0.0.2', 'ada', 'right'), 'in');
  pass(3_000);
  assert.equal(await attempt('10.0.0.1', 'ada', 'right'), 'in');
  assert.equal(await attempt('10.0.0.1', 'ada', 'wrong'), 'CREDENTIALS_INVALID');
  assert.equal(await attempt('10.0.0.1', 'ada', 'right'), 'TOO_MANY_ATTEMPTS');
});

test('many at once are no more than one after the other', async () => {
  const { attempt } = limited();
  const codes = await Promise.all(Array.from({ length: 100 }, () => attempt('10.0.0.1', 'ada', 'wrong')));
  const verified = codes.filter((code) => code === 'CREDENTIALS_INVALID').length;
  assert.ok(verified >= 30 && verified < 40, `${verified} were verified`);
  const right = await Promise.all(Array.from({ length: 100 }, () => attempt('10.0.0.2', 'bob', 'right')));
  assert.deepEqual([...new Set(right)], ['in']);
});

test('right logins are not counted', async () => {
  const { attempt } = limited();
  for (let turn = 0; turn < 200; turn++) assert.equal(await attempt('10.0.0.1', 'ada', 'right'), 'in');
});

test('an account that many addresses try is closed to strangers, not to whoever has it', async () => {
  const { attempt } = limited();
  assert.equal(await attempt('10.0.0.1', 'ada', 'right'), 'in');
  for (let turn = 0; turn < 60; turn++) {
    assert.equal(await attempt(`10.1.0.${turn}`, 'ada', 'wrong'), 'CREDENTIALS_INVALID');
  }
  assert.equal(await attempt('10.2.0.1', 'ada', 'wrong'), 'TOO_MANY_ATTEMPTS');
  assert.equal(await attempt('10.0.0.1', 'ada', 'right'), 'in');
  assert.equal(await attempt('10.2.0.1', 'bob', 'right'), 'in');
});

test('of IPv6 a network counts, of IPv4 an address', () => {
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1');
  assert.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(networkOf('2001:db8:0:1::5'), networkOf('2001:0db8::1:aaaa:bbbb:cccc:dddd'));
  assert.notEqual(networkOf('2001:db8:0:1::5'), networkOf('2001:db8:0:2::5'));
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0');
  assert.equal(networkOf(undefined), 'unknown');
});
