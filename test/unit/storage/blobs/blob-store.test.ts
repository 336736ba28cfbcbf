import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { ManifestInvalidError } from '../../../../oci/errors.ts';
import type { BlobDriver, DriverUpload } from '../../../../storage/blobs/blob-driver.ts';
import { BlobStore, SEGMENT_SIZE } from '../../../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../../../storage/blobs/filesystem/filesystem-driver.ts';
import {
  DigestMismatchError,
  StorageFullError,
  UploadBusyError,
  UploadUnknownError,
} from '../../../../storage/errors.ts';
import {
  collect,
  collectValues,
  digestOf,
  failingStream,
  patternBytes,
  stallingStream,
  streamOf,
} from '../../../support/content.ts';

describe('the blob store', () => {
  let root: string;
  let driver: BlobDriver;
  let store: BlobStore;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'berth-store-'));
    driver = await openFilesystemDriver(root);
    store = new BlobStore(driver);
  });

  afterEach(() => rm(root, { recursive: true, force: true }));

  /** A driver whose methods are counted, or replaced by those of `changes`. */
  function changed(changes: Partial<BlobDriver>): BlobDriver {
    return new Proxy(driver, {
      get(target, property: keyof BlobDriver) {
        const method = changes[property] ?? target[property];
        return method.bind(target);
      },
    });
  }

  /** A store that counts how often it reads an upload again. */
  function counting() {
    const count = { readings: 0 };
    const readUpload: BlobDriver['readUpload'] = (upload, signal) => {
      count.readings += 1;
      return driver.readUpload(upload, signal);
    };
    return { count, store: new BlobStore(changed({ readUpload })) };
  }

  async function contentOf(text: Uint8Array): Promise<Buffer> {
    const blob = await store.find(digestOf(text));
    assert.ok(blob);
    return collect(await store.read(blob));
  }

  test('hashes while content streams, over several appends, and reads nothing again', async () => {
    const { count, store } = counting();
    const bytes = patternBytes(1_000_000, 1);
    let upload = await store.begin();
    upload = await store.append(upload, streamOf(bytes.subarray(0, 400_000)));
    upload = await store.append(upload, streamOf(new Uint8Array(0)));
    upload = await store.append(upload, streamOf(bytes.subarray(400_000)));
    const blob = await store.commit(upload, digestOf(bytes));
    assert.equal(blob.size, bytes.byteLength);
    assert.equal(count.readings, 0);
    assert.ok((await contentOf(bytes)).equals(bytes));
  });

  test('reads an upload again for sha512, and after a restart', async () => {
    const bytes = patternBytes(300_000, 2);
    const { count, store } = counting();
    const upload = await store.append(await store.begin(), streamOf(bytes));
    await store.commit(upload, digestOf(bytes, 'sha512'));
    assert.equal(count.readings, 1);

    const half = await store.append(await store.begin(), streamOf(bytes.subarray(0, 100_000)));
    const restarted = counting();
    const whole = await restarted.store.append(half, streamOf(bytes.subarray(100_000)));
    await restarted.store.commit(whole, digestOf(bytes));
    assert.equal(restarted.count.readings, 1);
    assert.ok((await contentOf(bytes)).equals(bytes));
  });

  test('reads nothing again for a sha512 that was announced, or that a single put has', async () => {
    const bytes = patternBytes(300_000, 7);
    const { count, store } = counting();
    let upload = await store.begin();
    for (const start of [0, 100_000]) {
      const end = start === 0 ? 100_000 : bytes.length;
      upload = await store.append(upload, streamOf(bytes.subarray(start, end)), { algorithm: 'sha512' });
    }
    await store.commit(upload, digestOf(bytes, 'sha512'));
    await store.put(streamOf(patternBytes(1_000, 8)), digestOf(patternBytes(1_000, 8), 'sha512'));
    assert.equal(count.readings, 0);
    const other = await store.append(await store.begin(), streamOf(bytes), { algorithm: 'sha512' });
    await store.commit(other, digestOf(bytes));
    assert.equal(count.readings, 1);
  });

  test('refuses a wrong digest and leaves the upload as it is', async () => {
    const bytes = patternBytes(1_000, 3);
    const upload = await store.append(await store.begin(), streamOf(bytes));
    for (const wrong of [digestOf('other'), digestOf('other', 'sha512')]) {
      await assert.rejects(store.commit(upload, wrong), DigestMismatchError);
      assert.equal(await store.find(wrong), undefined);
    }
    const more = patternBytes(10, 4);
    const longer = await store.append(upload, streamOf(more));
    const whole = Buffer.concat([bytes, more]);
    await store.commit(longer, digestOf(whole));
    assert.ok((await contentOf(whole)).equals(whole));
  });

  test('checkpoints after each segment', async () => {
    const chunk = patternBytes(1024 * 1024, 5);
    const chunks = 2 * (SEGMENT_SIZE / chunk.byteLength) + 3;
    const hash = createHash('sha256');
    async function* content() {
      for (let count = 0; count < chunks; count += 1) {
        hash.update(chunk);
        yield chunk;
      }
    }
    const reached: number[] = [];
    const upload = await store.append(await store.begin(), content(), {
      checkpoint: async ({ size }) => {
        reached.push(size);
      },
    });
    assert.deepEqual(reached, [SEGMENT_SIZE, 2 * SEGMENT_SIZE, chunks * chunk.byteLength]);
    await store.commit(upload, `sha256:${hash.digest('hex')}`);
  });

  test('does nothing for an empty append', async () => {
    const upload = await store.begin();
    const checkpoint = () => assert.fail('nothing has changed');
    assert.deepEqual(await store.append(upload, streamOf(new Uint8Array(0)), { checkpoint }), upload);
    await store.commit(upload, digestOf(new Uint8Array(0)));
  });

  test('keeps what came before a sender failed, and can go on', async () => {
    const bytes = patternBytes(500_000, 6);
    const failure = new Error('hung up');
    const { count, store } = counting();
    const states: DriverUpload[] = [];
    const checkpoint = async (state: DriverUpload) => {
      states.push(state);
    };
    const sending = failingStream(bytes.subarray(0, 300_000), failure);
    await assert.rejects(
      store.append(await store.begin(), sending, { checkpoint }),
      (error) => error === failure,
    );
    assert.deepEqual(
      states.map(({ size }) => size),
      [300_000],
    );
    const upload = await store.append(states[0] as DriverUpload, streamOf(bytes.subarray(300_000)));
    await store.commit(upload, digestOf(bytes));
    assert.equal(count.readings, 0);
    assert.ok((await contentOf(bytes)).equals(bytes));
  });

  test('keeps what came before the signal aborted a stalling sender', async () => {
    const bytes = patternBytes(200_000, 7);
    const abort = new AbortController();
    const reason = new Error('the client has gone');
    const states: DriverUpload[] = [];
    const stalling = stallingStream(bytes, () => setImmediate(() => abort.abort(reason)));
    await assert.rejects(
      store.append(await store.begin(), stalling, {
        signal: abort.signal,
        checkpoint: async (state) => {
          states.push(state);
        },
      }),
      (error) => error === reason,
    );
    assert.equal(states.length, 1);
    await store.commit(states[0] as DriverUpload, digestOf(bytes));
    assert.ok((await contentOf(bytes)).equals(bytes));
  });

  test('does not begin when the signal has aborted', async () => {
    const upload = await store.append(await store.begin(), streamOf(patternBytes(10, 8)));
    const signal = AbortSignal.abort(new Error('too late'));
    await assert.rejects(store.append(upload, streamOf(patternBytes(10, 8)), { signal }), /too late/);
    await assert.rejects(store.put(patternBytes(10, 8), digestOf('x'), signal), /too late/);
    assert.equal((await collectValues(driver.listUploads())).length, 1);
  });

  test('lets one request at a time write to an upload', async () => {
    const upload = await store.begin();
    const bytes = patternBytes(1_000, 9);
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    async function* slow() {
      yield bytes;
      await gate;
    }
    const appending = store.append(upload, slow());
    await assert.rejects(store.append(upload, streamOf(bytes)), UploadBusyError);
    await assert.rejects(store.commit(upload, digestOf(bytes)), UploadBusyError);
    await assert.rejects(store.abort(upload), UploadBusyError);
    const other = await store.append(await store.begin(), streamOf(bytes));
    await store.abort(other);
    release();
    await store.commit(await appending, digestOf(bytes));
    await store.abort(upload);
    assert.ok((await contentOf(bytes)).equals(bytes));
  });

  test('goes on from the last checkpoint after the device was full', async () => {
    let appends = 0;
    const full = new BlobStore(
      changed({
        appendUpload(upload, content, signal) {
          appends += 1;
          if (appends !== 2) return driver.appendUpload(upload, content, signal);
          async function* cutOff() {
            let left = 5_000_000;
            for await (const chunk of content) {
              left -= chunk.byteLength;
              if (left < 0) throw new StorageFullError('the device is full');
              yield chunk;
            }
          }
          return driver.appendUpload(upload, cutOff(), signal);
        },
      }),
    );
    const chunk = patternBytes(1024 * 1024, 10);
    const chunks = SEGMENT_SIZE / chunk.byteLength + 10;
    async function* repeat(times: number) {
      for (let count = 0; count < times; count += 1) yield chunk;
    }
    let state = await full.begin();
    const failing = full.append(state, repeat(chunks), {
      checkpoint: async (reached) => {
        state = reached;
      },
    });
    await assert.rejects(failing, StorageFullError);
    assert.equal(state.size, SEGMENT_SIZE);
    const whole = await full.append(state, repeat(10));
    const hash = createHash('sha256');
    for (let count = 0; count < chunks; count += 1) hash.update(chunk);
    const blob = await full.commit(whole, `sha256:${hash.digest('hex')}`);
    assert.equal(blob.size, chunks * chunk.byteLength);
  });

  test('trusts no hash of a state that could not be recorded', async () => {
    const upload = await store.begin();
    const mine = patternBytes(1_000, 11);
    const theirs = patternBytes(1_000, 12);
    const failing = store.append(upload, streamOf(mine), {
      checkpoint: () => Promise.reject(new UploadBusyError('someone else has moved it on')),
    });
    await assert.rejects(failing, UploadBusyError);
    const state = await (await openFilesystemDriver(root)).appendUpload(upload, streamOf(theirs));
    await assert.rejects(store.commit(state, digestOf(mine)), DigestMismatchError);
    await store.commit(state, digestOf(theirs));
    assert.ok((await contentOf(theirs)).equals(theirs));
  });

  test('trusts no hash of bytes that were replaced from an earlier state on', async () => {
    const [first, second, third] = [17, 18, 19].map((seed) => patternBytes(1_000, seed)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    const earlier = await store.append(await store.begin(), streamOf(first));
    await store.append(earlier, streamOf(second));
    const state = await store.append(earlier, streamOf(third));
    await assert.rejects(store.commit(state, digestOf(Buffer.concat([first, second]))), DigestMismatchError);
    await store.commit(state, digestOf(Buffer.concat([first, third])));
  });

  test('commits again after a crash between the rename and the answer', async () => {
    const bytes = patternBytes(1_000, 13);
    const upload = await store.append(await store.begin(), streamOf(bytes));
    const blob = await store.commit(upload, digestOf(bytes));
    assert.deepEqual(await store.commit(upload, digestOf(bytes)), blob);
    assert.deepEqual(await new BlobStore(driver).commit(upload, digestOf(bytes)), blob);
    await assert.rejects(store.commit(upload, digestOf('other')), UploadUnknownError);
    await assert.rejects(store.commit({ ...upload, size: 999 }, digestOf(bytes)), UploadUnknownError);
  });

  test('commits nothing that it can neither verify nor find', async () => {
    const bytes = patternBytes(1_000, 16);
    const upload = await store.append(await store.begin(), streamOf(bytes));
    await store.put(bytes.subarray(1), digestOf(bytes.subarray(1)));
    const losing = new BlobStore(
      changed({
        readUpload: () => failingStream(new Uint8Array(0), new UploadUnknownError('lost')),
        commitUpload: () => assert.fail('the content was not verified'),
      }),
    );
    await assert.rejects(losing.commit(upload, digestOf(bytes)), UploadUnknownError);
    await assert.rejects(losing.commit(upload, digestOf(bytes.subarray(1))), UploadUnknownError);
  });

  test('puts content whole or not at all', async () => {
    const bytes = patternBytes(150_000, 14);
    const blob = await store.put(bytes, digestOf(bytes));
    assert.ok((await collect(await store.read(blob))).equals(bytes));
    await store.delete(await store.put(streamOf(bytes), digestOf(bytes)));
    assert.deepEqual(await store.put(bytes, digestOf(bytes, 'sha512')), {
      ...(await store.find(digestOf(bytes, 'sha512'))),
    });
    await assert.rejects(store.put(bytes, digestOf('other')), DigestMismatchError);
    const failure = new Error('hung up');
    await assert.rejects(
      store.put(failingStream(bytes, failure), digestOf(bytes)),
      (error) => error === failure,
    );
    const abort = new AbortController();
    const stalling = stallingStream(bytes, () => abort.abort(new Error('gone')));
    await assert.rejects(store.put(stalling, digestOf(bytes), abort.signal), /gone/);
    assert.deepEqual(await collectValues(driver.listUploads()), []);
    assert.equal((await collectValues(store.list())).length, 2);
  });

  test('reads whole only what is small', async () => {
    const bytes = patternBytes(1_000, 15);
    const blob = await store.put(bytes, digestOf(bytes));
    assert.ok((await store.readAll(blob, 1_000)).equals(bytes));
    await assert.rejects(store.readAll(blob, 999), ManifestInvalidError);
    const empty = await store.put(new Uint8Array(0), digestOf(new Uint8Array(0)));
    assert.equal((await store.readAll(empty, 0)).byteLength, 0);
    assert.ok((await collect(await store.read(blob, { start: 5, end: 9 }))).equals(bytes.subarray(5, 10)));
    assert.equal(await store.delete(blob), true);
    assert.equal(await store.delete(blob), false);
  });
});
