import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PasswordGuard } from '../../../auth/passwords/password-guard.ts';

const HOME = '10.0.0.1';

/** A guard over accounts whose password is `right`, on a clock of its own. */
function guarded() {
  let now = 0;
  let verified = 0;
  const lanes: number[] = [];
  const pauses: number[] = [];
  const guard = new PasswordGuard({
    hasher: {
      hash: async () => 'the hash of nobody',
      verify: async (password, hash, turn) => {
        verified += 1;
        lanes.push(turn?.place.lane ?? -1);
        return hash === 'hash' && password === 'right';
      },
    },
    hashOf: async (user) => (user.startsWith('nobody') ? undefined : 'hash'),
    now: () => now,
    pause: async (milliseconds) => {
      pauses.push(milliseconds);
      now += milliseconds;
    },
  });
  const { signal } = new AbortController();
  return {
    guard,
    lanes,
    pauses,
    verified: () => verified,
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
    attempt: async (remote: string, user: string, password: string): Promise<boolean | number> => {
      try {
        return await guard.check({ user, password, remote, signal });
      } catch (error) {
        assert.equal((error as { code: string }).code, 'TOO_MANY_ATTEMPTS');
        return (error as { retryAfter: number }).retryAfter;
      }
    },
  };
}

test('an account waits at an address where it failed, twice as long after each failure', async () => {
  const { attempt, pass } = guarded();
  for (let turn = 0; turn < 10; turn++) assert.equal(await attempt(HOME, 'ada', `wrong ${turn}`), false);
  for (let wait = 1; wait <= 512; wait *= 2) {
    assert.equal(await attempt(HOME, 'ada', 'right'), wait);
    pass(wait * 1000);
    assert.equal(await attempt(HOME, 'ada', `no ${wait}`), false);
  }
  assert.equal(await attempt(HOME, 'bob', 'right'), true, 'another account there is let in');
  assert.equal(await attempt('10.0.0.2', 'ada', 'right'), true, 'and this account elsewhere');
});

test('however many addresses fail with an account, it is let in from another at once', async () => {
  const { attempt } = guarded();
  for (let turn = 0; turn < 2000; turn++) {
    assert.equal(await attempt(`10.1.${turn >> 8}.${turn & 255}`, 'ada', 'wrong'), false);
  }
  assert.equal(await attempt('10.2.0.1', 'ada', 'right'), true);
  assert.equal(await attempt('10.2.0.2', 'ada', 'wrong'), false);
  assert.equal(await attempt('10.2.0.2', 'ada', 'right'), 1, 'a stranger gets one attempt and no ten');
});

test('an IPv6 site does not get fresh attempts in each of its networks', async () => {
  const { attempt } = guarded();
  const outcomes = [];
  for (let turn = 0; turn < 1000; turn++) {
    outcomes.push(await attempt(`2001:db8:7:${turn.toString(16)}::1`, 'ada', `wrong ${turn}`));
  }
  assert.equal(outcomes.filter((outcome) => outcome === false).length, 100);
  assert.equal(await attempt('2001:db8:7:ffff::1', 'bob', 'right'), true);
  assert.equal(await attempt('2001:db8:8::1', 'ada', 'right'), true);
});

test('an address that fails with many accounts does not lock out others behind it', async () => {
  const { attempt } = guarded();
  for (let turn = 0; turn < 500; turn++) assert.equal(await attempt(HOME, `user-${turn}`, 'wrong'), false);
  assert.equal(await attempt(HOME, 'ada', 'right'), true);
  assert.equal(await attempt(HOME, 'nobody', 'one'), false);
  assert.equal(await attempt(HOME, 'nobody', 'two'), 1);
});

test('where an account has logged in it is never refused, and pauses for half a second at most', async () => {
  const { attempt, pauses, guard } = guarded();
  assert.equal(await attempt(HOME, 'ada', 'right'), true);
  for (let turn = 0; turn < 300; turn++) assert.equal(await attempt(HOME, 'ada', `wrong ${turn}`), false);
  assert.equal(await attempt(HOME, 'ada', 'right'), true);
  assert.ok(pauses.length >= 290, 'guesses are slowed down');
  assert.ok(Math.max(...pauses) <= 500);
  assert.equal(guard.isTried('ada', HOME), true, 'nothing remembered lets it in meanwhile');
  assert.equal(guard.isTried('ada', '10.0.0.2'), false);
});

test('a login waits in line behind guesses from the same address, eight of which pause at once', async () => {
  const { attempt, pauses, verified } = guarded();
  await attempt(HOME, 'ada', 'right');
  for (let turn = 0; turn < 10; turn++) await attempt(HOME, 'ada', `first ${turn}`);
  const before = verified();
  const guesses = Array.from({ length: 80 }, (_, turn) => attempt(HOME, 'ada', `guess ${turn}`));
  assert.equal(await attempt(HOME, 'ada', 'right'), true);
  assert.deepEqual([...new Set(await Promise.all(guesses))], [false]);
  assert.equal(verified(), before, 'what is not the password that is known to be right is not hashed');
  assert.ok(pauses.length > 80 - 8, 'and waits');
});

test('the same wrong password again, as a stale pull secret, is neither counted nor hashed', async () => {
  const { attempt, verified } = guarded();
  for (let turn = 0; turn < 200; turn++) assert.equal(await attempt(HOME, 'ada', 'last year'), false);
  assert.equal(verified(), 1);
  assert.equal(await attempt(HOME, 'ada', 'right'), true);
});

test('right logins are not counted, and many at once cost one hash', async () => {
  const { attempt, verified } = guarded();
  const outcomes = await Promise.all(Array.from({ length: 30 }, () => attempt(HOME, 'ada', 'right')));
  assert.deepEqual([...new Set(outcomes)], [true]);
  assert.equal(verified(), 1);
});

test('many at once are no more than one after the other', async () => {
  const { attempt, verified } = guarded();
  const outcomes = await Promise.all(
    Array.from({ length: 300 }, (_, turn) => attempt(HOME, 'ada', `${turn}`)),
  );
  assert.equal(verified(), 10);
  assert.equal(outcomes.filter((outcome) => outcome === false).length, 10);
});

test('accounts that are not there fail as others do', async () => {
  const { attempt } = guarded();
  for (let turn = 0; turn < 10; turn++) assert.equal(await attempt(HOME, 'nobody', `${turn}`), false);
  assert.equal(await attempt(HOME, 'nobody', 'right'), 1);
});

test('hashes are in turn: familiar addresses, then attempts without a failure, then the others', async () => {
  const { attempt, lanes } = guarded();
  await attempt(HOME, 'ada', 'right');
  await attempt(HOME, 'ada', 'wrong');
  await attempt('10.0.0.2', 'ada', 'one');
  await attempt('10.0.0.2', 'ada', 'two');
  assert.deepEqual(lanes, [1, 0, 1, 2]);
});
