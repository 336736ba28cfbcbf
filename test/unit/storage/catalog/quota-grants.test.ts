import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type QuotaGrant, QuotaGrants, shareOf } from '../../../../storage/catalog/quota-grants.ts';

const MIB = 1024 ** 2;
const QUOTA = 7;

function grantsOf(answers: readonly (QuotaGrant | undefined | Error)[]) {
  let now = 0;
  let asked = 0;
  let tidied = 0;
  const grants = new QuotaGrants(
    {
      renew: async () => {
        const answer = answers[asked];
        asked += 1;
        if (answer instanceof Error) throw answer;
        return answer;
      },
      tidy: async () => {
        tidied += 1;
      },
    },
    () => now,
  );
  return {
    take: (size: number, ...there: number[]) => grants.begin().take({ id: QUOTA, grants: there }, size),
    begin: () => grants.begin(),
    asked: () => asked,
    tidied: () => tidied,
    pass: async (milliseconds = 0) => {
      now += milliseconds;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('a fourth of what is left is granted, and nothing where that is little', () => {
  assert.equal(shareOf(100 * MIB), 25 * MIB);
  assert.equal(shareOf(64 * MIB), 16 * MIB);
  assert.equal(shareOf(64 * MIB - 4), 0);
  assert.equal(shareOf(-1), 0);
});

test('everybody looks until there is a grant, and then nobody until it is used up', async () => {
  const { take, asked, pass } = grantsOf([{ id: 1, bytes: 100 }, undefined]);
  assert.equal(take(10), false);
  assert.equal(take(10), false);
  assert.equal(asked(), 1, 'once at a time');
  await pass();
  assert.equal(take(60, 1), true);
  assert.equal(take(41, 1), false, 'more than is left of it');
  assert.equal(asked(), 2, 'another one before it has ended');
});

test('what is left of a grant goes on being used while another one is asked for', async () => {
  const { take, pass } = grantsOf([
    { id: 1, bytes: 100 },
    { id: 2, bytes: 50 },
  ]);
  take(0);
  await pass();
  assert.equal(take(80, 1), true);
  assert.equal(take(20, 1), true);
  await pass();
  assert.equal(take(50, 2), true);
  assert.equal(take(1, 2), false);
});

test('what no grant covers asks for none, however often it is tried again', async () => {
  const { take, asked, pass } = grantsOf([
    { id: 1, bytes: 100 },
    { id: 2, bytes: 90 },
    { id: 3, bytes: 80 },
  ]);
  take(0);
  await pass();
  for (let count = 0; count < 3; count += 1) assert.equal(take(101, 1), false);
  assert.equal(asked(), 1);
  assert.equal(take(20, 1), true);
  assert.equal(take(95, 1), false);
  assert.equal(asked(), 2, 'a fresh one may cover it');
  await pass();
  assert.equal(take(95, 2), false);
  assert.equal(asked(), 2);
  assert.equal(take(80, 2), true);
  assert.equal(asked(), 3, 'little is left');
});

test('a grant that the transaction does not see any more was taken back', async () => {
  const { take, asked, pass } = grantsOf([
    { id: 1, bytes: 100 },
    { id: 2, bytes: 100 },
  ]);
  take(0);
  await pass();
  assert.equal(take(1, 1, 5), true);
  assert.equal(take(1, 5), false);
  assert.equal(asked(), 1, 'not at once: two processes would take theirs back from each other');
  await pass(1000);
  assert.equal(take(1, 5), false);
  assert.equal(asked(), 2);
  await pass();
  assert.equal(take(1, 2), true);
});

test('what is run again takes once, and asks once', async () => {
  const { begin, take, asked, pass } = grantsOf([
    { id: 1, bytes: 100 },
    { id: 2, bytes: 100 },
    { id: 3, bytes: 100 },
  ]);
  take(0);
  await pass();
  const push = (use: ReturnType<typeof begin>, size: number, grant: number) =>
    use.take({ id: QUOTA, grants: [grant] }, size);
  const use = begin();
  for (let tries = 0; tries < 5; tries += 1) assert.equal(push(use, 60, 1), true);
  assert.equal(asked(), 1);
  assert.equal(take(41, 1), false, 'it has taken its own');
  assert.equal(asked(), 2);
  await pass();
  for (let tries = 0; tries < 5; tries += 1) assert.equal(push(use, 60, 2), true);
  assert.equal(take(10, 2), true, 'that of the grant before is nothing to the next one');
  const large = begin();
  for (let tries = 0; tries < 5; tries += 1) {
    assert.equal(push(large, 50, 2), false);
    await pass();
    assert.equal(asked(), 3);
  }
  assert.equal(push(large, 50, 3), true);
});

test('where there is none, and where it fails, it is asked again after a second', async () => {
  const { take, asked, pass } = grantsOf([undefined, new Error('no database'), { id: 3, bytes: 10 }]);
  for (const expected of [1, 2]) {
    assert.equal(take(1), false);
    await pass();
    await pass(999);
    assert.equal(take(1), false);
    assert.equal(asked(), expected);
    await pass(1);
  }
  assert.equal(take(1), false);
  await pass();
  assert.equal(take(1, 3), true);
});

test('it is tidied up while much is pushed', () => {
  const { take, tidied } = grantsOf([undefined]);
  for (let count = 0; count < 511; count += 1) take(1);
  assert.equal(tidied(), 1);
  take(1);
  assert.equal(tidied(), 2);
});
