import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { abortable } from '../../../../storage/blobs/abortable.ts';
import { collectValues } from '../../../support/content.ts';

async function* count(to: number, onReturn = () => {}) {
  try {
    for (let value = 0; value < to; value += 1) yield value;
  } finally {
    onReturn();
  }
}

test('passes everything through, and leaves no listener behind', async () => {
  const { signal } = new AbortController();
  assert.deepEqual(await collectValues(abortable(count(5), signal)), [0, 1, 2, 3, 4]);
  assert.deepEqual(await collectValues(abortable(count(3), undefined)), [0, 1, 2]);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('has one listener, however long the source', async () => {
  const { signal } = new AbortController();
  let seen = 0;
  for await (const _ of abortable(count(1_000), signal)) {
    seen += 1;
    assert.equal(getEventListeners(signal, 'abort').length, 1);
  }
  assert.equal(seen, 1_000);
});

test('throws the reason and stops the source', async () => {
  const reason = new Error('enough');
  const abort = new AbortController();
  let returned = 0;
  const values: number[] = [];
  await assert.rejects(
    async () => {
      for await (const value of abortable(
        count(10, () => {
          returned += 1;
        }),
        abort.signal,
      )) {
        values.push(value);
        if (value === 3) abort.abort(reason);
      }
    },
    (error) => error === reason,
  );
  assert.deepEqual(values, [0, 1, 2, 3]);
  assert.equal(returned, 1);
});

test('throws while the source stalls, and does not touch it when aborted before', async () => {
  const abort = new AbortController();
  async function* stall(): AsyncGenerator<number, void, undefined> {
    yield 1;
    setImmediate(() => abort.abort(new Error('enough')));
    await new Promise<never>(() => {});
  }
  await assert.rejects(collectValues(abortable(stall(), abort.signal)), /enough/);
  let touched = false;
  async function* touch() {
    touched = true;
    yield 1;
  }
  await assert.rejects(collectValues(abortable(touch(), abort.signal)), /enough/);
  assert.equal(touched, false);
});

test('passes on what the source fails with', async () => {
  const failure = new Error('broken');
  async function* fail(): AsyncGenerator<number, void, undefined> {
    yield 1;
    throw failure;
  }
  const { signal } = new AbortController();
  await assert.rejects(collectValues(abortable(fail(), signal)), (error) => error === failure);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('stops the source of a reader who breaks off', async () => {
  let returned = 0;
  const source = count(10, () => {
    returned += 1;
  });
  for await (const _ of abortable(source, new AbortController().signal)) break;
  assert.equal(returned, 1);
});
