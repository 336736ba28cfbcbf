import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TransactionGroup } from '../../../../storage/catalog/transaction.ts';

/** A database that is a list of what was committed. */
function database() {
  const committed: string[][] = [];
  const group = new TransactionGroup<string[]>(async (work) => {
    const written: string[] = [];
    const result = await work(written);
    committed.push(written);
    return result;
  });
  const write = (name: string, fails = false) =>
    group.run(async (trx) => {
      await Promise.resolve();
      trx.push(name);
      if (fails) throw new Error(`${name} fails`);
      return name;
    });
  return { committed, write };
}

test('those who wait share a transaction, in their order, and each gets its own result', async () => {
  const { committed, write } = database();
  assert.deepEqual(await Promise.all(['a', 'b', 'c'].map((name) => write(name))), ['a', 'b', 'c']);
  assert.deepEqual(committed, [['a', 'b', 'c']]);
  assert.equal(await write('d'), 'd');
  assert.deepEqual(committed.at(-1), ['d']);
});

test('one that fails does so alone: the others are committed as if it had not been there', async () => {
  const { committed, write } = database();
  const outcomes = await Promise.allSettled([write('a'), write('b'), write('c', true), write('d')]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(committed, [['a'], ['b'], ['d']]);
});

test('no transaction is shared by more than a few', async () => {
  const { committed, write } = database();
  await Promise.all(Array.from({ length: 100 }, (_, index) => write(String(index))));
  assert.equal(committed.flat().length, 100);
  assert.ok(Math.max(...committed.map(({ length }) => length)) <= 16);
});
