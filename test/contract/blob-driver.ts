import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Digest } from '../../oci/digest.ts';
import type { BlobDriver, DriverUpload, StoredBlob } from '../../storage/blobs/blob-driver.ts';
import { BlobUnknownError, UploadUnknownError } from '../../storage/errors.ts';
import {
  collect,
  collectValues,
  digestOf,
  failingStream,
  patternBytes,
  stallingStream,
  streamOf,
} from '../support/content.ts';

/** One empty storage, for one test. */
export interface BlobDriverHarness {
  readonly driver: BlobDriver;
  /** Another driver over the same storage, as a process has it that was started after a crash. */
  reopen(): Promise<BlobDriver>;
  close(): Promise<void>;
}

function blobOf({ digest, size, location }: StoredBlob): StoredBlob {
  return { digest, size, location };
}

/** What every BlobDriver promises; see storage/blobs/blob-driver.ts. */
export function describeBlobDriver(
  name: string,
  { open }: { readonly open: () => Promise<BlobDriverHarness> },
): void {
  describe(`${name} as a BlobDriver`, () => {
    let harness: BlobDriverHarness;
    let driver: BlobDriver;

    beforeEach(async () => {
      harness = await open();
      driver = harness.driver;
    });

    afterEach(() => harness.close());

    const begin = () => driver.beginUpload(randomUUID());

    async function store(bytes: Uint8Array): Promise<StoredBlob> {
      const upload = await driver.appendUpload(await begin(), streamOf(bytes));
      return driver.commitUpload(upload, digestOf(bytes));
    }

    async function contentOf(digest: Digest): Promise<Buffer> {
      const [blob] = await driver.findBlobs(digest);
      assert.ok(blob, `${digest} is there`);
      return collect(await driver.readBlob(blob));
    }

    async function uploadIds(): Promise<string[]> {
      return (await collectValues(driver.listUploads())).map(({ id }) => id);
    }

    describe('uploads', () => {
      test('begin empty', async () => {
        const id = randomUUID();
        const upload = await driver.beginUpload(id);
        assert.equal(upload.id, id);
        assert.equal(upload.size, 0);
        assert.equal((await collect(driver.readUpload(upload))).byteLength, 0);
      });

      test('become blobs byte for byte, whatever the sizes of their chunks', async () => {
        const bytes = patternBytes(5 * 1024 * 1024 + 17, 1);
        for (const chunkSize of [bytes.byteLength, 3 * 1024 * 1024 + 1, 65_536, 1_000]) {
          const part = bytes.subarray(chunkSize % 1_009);
          const upload = await driver.appendUpload(await begin(), streamOf(part, chunkSize));
          assert.equal(upload.size, part.byteLength);
          const blob = await driver.commitUpload(upload, digestOf(part));
          assert.equal(blob.size, part.byteLength);
          assert.equal(blob.digest, digestOf(part));
          assert.ok((await contentOf(blob.digest)).equals(part));
        }
      });

      test('may be empty to the end', async () => {
        const empty = new Uint8Array(0);
        const upload = await driver.appendUpload(await begin(), streamOf(empty));
        assert.equal(upload.size, 0);
        await driver.commitUpload(upload, digestOf(empty));
        assert.equal((await contentOf(digestOf(empty))).byteLength, 0);
        const never = await driver.commitUpload(await begin(), digestOf(empty, 'sha512'));
        assert.equal(never.size, 0);
        assert.equal((await contentOf(digestOf(empty, 'sha512'))).byteLength, 0);
      });

      test('continue in another process from their state as JSON', async () => {
        const bytes = patternBytes(3_000_000, 2);
        let upload = await begin();
        for (let start = 0; start < bytes.byteLength; start += 1_000_000) {
          const next = await harness.reopen();
          const state: DriverUpload = JSON.parse(JSON.stringify(upload));
          upload = await next.appendUpload(state, streamOf(bytes.subarray(start, start + 1_000_000)));
          assert.equal(upload.size, start + 1_000_000);
        }
        const last = await harness.reopen();
        assert.ok((await collect(last.readUpload(upload))).equals(bytes));
        await last.commitUpload(upload, digestOf(bytes));
        assert.ok((await contentOf(digestOf(bytes))).equals(bytes));
      });

      test('keep earlier bytes when the content fails, and drop the failed append', async () => {
        const first = patternBytes(700_000, 3);
        const second = patternBytes(200_000, 4);
        const failure = new Error('the sender hung up');
        const upload = await driver.appendUpload(await begin(), streamOf(first));
        const broken = driver.appendUpload(upload, failingStream(patternBytes(2_500_000, 5), failure));
        await assert.rejects(broken, (error) => error === failure);
        assert.ok((await collect(driver.readUpload(upload))).equals(first));
        const after = await (await harness.reopen()).appendUpload(upload, streamOf(second));
        const whole = Buffer.concat([first, second]);
        assert.equal(after.size, whole.byteLength);
        await driver.commitUpload(after, digestOf(whole));
        assert.ok((await contentOf(digestOf(whole))).equals(whole));
      });

      test('commit the bytes of their state, not those beyond it', async () => {
        const first = patternBytes(100_000, 6);
        const upload = await driver.appendUpload(await begin(), streamOf(first));
        await driver.appendUpload(upload, streamOf(patternBytes(50_000, 7)));
        const blob = await driver.commitUpload(upload, digestOf(first));
        assert.equal(blob.size, first.byteLength);
        assert.ok((await contentOf(digestOf(first))).equals(first));
      });

      test('take their own copy of a chunk whose memory the sender uses again', async () => {
        const bytes = patternBytes(1_500_000, 8);
        async function* reusing() {
          const memory = Buffer.alloc(10_000);
          for (let start = 0; start < bytes.byteLength; start += memory.byteLength) {
            bytes.copy(memory, 0, start);
            yield memory.subarray(0, Math.min(memory.byteLength, bytes.byteLength - start));
          }
        }
        const upload = await driver.appendUpload(await begin(), reusing());
        assert.ok((await collect(driver.readUpload(upload))).equals(bytes));
      });

      test('stop at once when the signal aborts while the sender stalls', async () => {
        const first = patternBytes(10_000, 9);
        const upload = await driver.appendUpload(await begin(), streamOf(first));
        const abort = new AbortController();
        const reason = new Error('the client has gone');
        const stalling = stallingStream(patternBytes(1_200_000, 10), () => abort.abort(reason));
        await assert.rejects(
          driver.appendUpload(upload, stalling, abort.signal),
          (error) => error === reason,
        );
        await assert.rejects(
          driver.appendUpload(upload, streamOf(first), abort.signal),
          (error) => error === reason,
        );
        const after = await driver.appendUpload(upload, streamOf(first));
        assert.ok((await collect(driver.readUpload(after))).equals(Buffer.concat([first, first])));
      });

      test('close a source that they do not read to its end', async () => {
        let closed = false;
        async function* source() {
          try {
            for (;;) yield patternBytes(1_000, 11);
          } finally {
            closed = true;
          }
        }
        await assert.rejects(driver.appendUpload({ id: randomUUID(), size: 1, detail: '' }, source()));
        const abort = new AbortController();
        const upload = await begin();
        let seen = 0;
        async function* counting() {
          for await (const chunk of source()) {
            seen += 1;
            if (seen === 20) abort.abort();
            yield chunk;
          }
        }
        await assert.rejects(driver.appendUpload(upload, counting(), abort.signal), { name: 'AbortError' });
        assert.ok(closed);
      });

      test('that are unknown are refused as such', async () => {
        const appended = await driver.appendUpload(await begin(), streamOf(patternBytes(10, 12)));
        const unknown: DriverUpload = { ...appended, id: randomUUID() };
        const strange: DriverUpload = { id: '../../etc/passwd', size: 0, detail: '' };
        for (const upload of [unknown, strange]) {
          await assert.rejects(driver.appendUpload(upload, streamOf(Buffer.from('a'))), UploadUnknownError);
          await assert.rejects(collect(driver.readUpload(upload)), UploadUnknownError);
          await assert.rejects(driver.commitUpload(upload, digestOf('a')), UploadUnknownError);
        }
      });

      test('are dropped by an abort, which may be repeated', async () => {
        const upload = await driver.appendUpload(await begin(), streamOf(patternBytes(1_000, 12)));
        await driver.abortUpload(upload);
        await driver.abortUpload(upload);
        await assert.rejects(driver.appendUpload(upload, streamOf(patternBytes(1, 13))), UploadUnknownError);
        assert.ok(!(await uploadIds()).includes(upload.id));
      });

      test('are listed with the time of their last append', async () => {
        const ids = new Set<string>();
        for (let count = 0; count < 3; count += 1) {
          const upload = await driver.appendUpload(await begin(), streamOf(patternBytes(1_000, count)));
          ids.add(upload.id);
        }
        await store(patternBytes(1_000, 14));
        const listed = await collectValues((await harness.reopen()).listUploads());
        assert.deepEqual(new Set(listed.map(({ id }) => id)), ids);
        for (const { touchedAt } of listed) {
          // An hour of tolerance: the storage has its own clock.
          assert.ok(Math.abs(touchedAt.getTime() - Date.now()) < 3_600_000);
        }
      });
    });

    describe('commits', () => {
      test('of one digest each have their own location, so that one can be deleted alone', async () => {
        const bytes = patternBytes(10_000, 20);
        const first = await store(bytes);
        const second = await store(bytes);
        assert.notEqual(second.location, first.location);
        assert.deepEqual(await uploadIds(), []);
        const copies = await driver.findBlobs(digestOf(bytes));
        assert.deepEqual(
          new Set(copies.map(({ location }) => location)),
          new Set([first.location, second.location]),
        );
        assert.equal(await driver.deleteBlob(first), true);
        assert.ok((await collect(await driver.readBlob(second))).equals(bytes));
        assert.equal(await driver.storedSize(first), undefined);
        assert.equal(await driver.storedSize(second), bytes.byteLength);
      });

      test('report their upload and their time', async () => {
        const bytes = patternBytes(100, 25);
        const upload = await driver.appendUpload(await begin(), streamOf(bytes));
        const blob = await driver.commitUpload(upload, digestOf(bytes));
        const [found] = await driver.findBlobs(digestOf(bytes));
        assert.ok(found);
        const { storedAt, ...rest } = found;
        assert.deepEqual(rest, { ...blob, uploadId: upload.id });
        // An hour of tolerance: the storage has its own clock.
        assert.ok(Math.abs(storedAt.getTime() - Date.now()) < 3_600_000);
      });

      test('may be repeated after a crash', async () => {
        const bytes = patternBytes(10_000, 21);
        const upload = await driver.appendUpload(await begin(), streamOf(bytes));
        const first = await driver.commitUpload(upload, digestOf(bytes));
        const again = await (await harness.reopen()).commitUpload(upload, digestOf(bytes));
        assert.deepEqual(again, first);
        assert.ok((await contentOf(digestOf(bytes))).equals(bytes));
      });

      test('of one digest at once all succeed', async () => {
        const bytes = patternBytes(200_000, 22);
        const uploads = await Promise.all(
          Array.from({ length: 8 }, async () => driver.appendUpload(await begin(), streamOf(bytes))),
        );
        const other = await harness.reopen();
        const blobs = await Promise.all(
          uploads.map((upload, index) =>
            (index % 2 === 0 ? driver : other).commitUpload(upload, digestOf(bytes)),
          ),
        );
        assert.equal(new Set(blobs.map(({ location }) => location)).size, blobs.length);
        for (const blob of blobs) assert.ok((await collect(await driver.readBlob(blob))).equals(bytes));
        assert.deepEqual(await uploadIds(), []);
        assert.equal((await driver.findBlobs(digestOf(bytes))).length, blobs.length);
      });

      test('are seen by a driver that is opened later', async () => {
        const bytes = patternBytes(10_000, 23);
        const blob = await store(bytes);
        const later = await harness.reopen();
        assert.deepEqual((await later.findBlobs(blob.digest)).map(blobOf), [blob]);
        assert.ok((await collect(await later.readBlob(JSON.parse(JSON.stringify(blob))))).equals(bytes));
      });

      test('make nothing visible under a digest before they succeed', async () => {
        const bytes = patternBytes(10_000, 24);
        const upload = await driver.appendUpload(await begin(), streamOf(bytes));
        assert.deepEqual(await driver.findBlobs(digestOf(bytes)), []);
        assert.deepEqual(await collectValues(driver.listBlobs()), []);
        await driver.commitUpload(upload, digestOf(bytes));
        assert.equal((await driver.findBlobs(digestOf(bytes))).length, 1);
      });
    });

    describe('blobs', () => {
      test('have digests of both algorithms', async () => {
        const bytes = patternBytes(1_000, 30);
        for (const algorithm of ['sha256', 'sha512'] as const) {
          const digest = digestOf(bytes, algorithm);
          assert.deepEqual(await driver.findBlobs(digest), []);
          await driver.commitUpload(await driver.appendUpload(await begin(), streamOf(bytes)), digest);
          assert.ok((await contentOf(digest)).equals(bytes));
        }
      });

      test('are read in ranges', async () => {
        const bytes = patternBytes(1_100_003, 31);
        const last = bytes.byteLength - 1;
        const blob = await store(bytes);
        for (const [start, end] of [
          [0, 0],
          [last, last],
          [0, last],
          [1, 1],
          [65_535, 65_536],
          [262_143, 262_144],
          [100, 999_999],
          [1_048_575, last],
        ] as const) {
          const part = await collect(await driver.readBlob(blob, { start, end }));
          assert.ok(part.equals(bytes.subarray(start, end + 1)), `bytes ${start} to ${end}`);
        }
      });

      test('that are unknown are refused before the first byte', async () => {
        const blob = await store(patternBytes(100, 32));
        await driver.deleteBlob(blob);
        await assert.rejects(driver.readBlob(blob), BlobUnknownError);
        await assert.rejects(driver.readBlob(blob, { start: 1, end: 2 }), BlobUnknownError);
      });

      test('stop being read when the signal aborts', async () => {
        const blob = await store(patternBytes(3_000_000, 33));
        const abort = new AbortController();
        const reason = new Error('the client has gone');
        const content = await driver.readBlob(blob, undefined, abort.signal);
        let chunks = 0;
        const reading = (async () => {
          for await (const _ of content) {
            chunks += 1;
            abort.abort(reason);
          }
        })();
        await assert.rejects(reading, (error) => error === reason);
        assert.equal(chunks, 1);
        await assert.rejects(driver.readBlob(blob, undefined, abort.signal), (error) => error === reason);
      });

      test('may be abandoned before the first byte and in the middle', async () => {
        const bytes = patternBytes(3_000_000, 34);
        const blob = await store(bytes);
        const abort = new AbortController();
        await driver.readBlob(blob, undefined, abort.signal);
        abort.abort();
        for await (const _ of await driver.readBlob(blob)) break;
        assert.ok((await collect(await driver.readBlob(blob))).equals(bytes));
      });

      test('are read by many at once', async () => {
        const bytes = patternBytes(700_000, 35);
        const blob = await store(bytes);
        const copies = await Promise.all(
          Array.from({ length: 10 }, async () => collect(await driver.readBlob(blob))),
        );
        for (const copy of copies) assert.ok(copy.equals(bytes));
      });

      test('are deleted once', async () => {
        const kept = await store(patternBytes(100, 36));
        const blob = await store(patternBytes(100, 37));
        assert.equal(await driver.deleteBlob(blob), true);
        assert.equal(await driver.deleteBlob(blob), false);
        assert.deepEqual(await driver.findBlobs(blob.digest), []);
        assert.deepEqual((await collectValues(driver.listBlobs())).map(blobOf), [kept]);
        assert.deepEqual(await (await harness.reopen()).findBlobs(blob.digest), []);
      });

      test('are set aside: out of the store, and no error when they are gone', async () => {
        const blob = await store(patternBytes(100, 42));
        await driver.setAside(blob);
        await driver.setAside(blob);
        assert.deepEqual(await driver.findBlobs(blob.digest), []);
        await assert.rejects(driver.readBlob(blob), BlobUnknownError);
      });

      test('come back when they are stored again after a delete', async () => {
        const bytes = patternBytes(100, 38);
        await driver.deleteBlob(await store(bytes));
        await store(bytes);
        assert.ok((await contentOf(digestOf(bytes))).equals(bytes));
      });

      test('are all listed, and uploads are not', async () => {
        const stored = new Map<string, StoredBlob>();
        for (let count = 0; count < 150; count += 1) {
          const blob = await store(Buffer.from(`blob ${count}`));
          stored.set(blob.digest, blob);
        }
        await driver.appendUpload(await begin(), streamOf(patternBytes(1_000, 39)));
        const listed = await collectValues((await harness.reopen()).listBlobs());
        assert.equal(listed.length, stored.size);
        for (const blob of listed) assert.deepEqual(blobOf(blob), stored.get(blob.digest));
      });

      test('stop being listed when the signal aborts', async () => {
        await store(patternBytes(100, 40));
        await driver.appendUpload(await begin(), streamOf(patternBytes(100, 41)));
        const signal = AbortSignal.abort(new Error('enough'));
        await assert.rejects(collectValues(driver.listBlobs(signal)), /enough/);
        await assert.rejects(collectValues(driver.listUploads(signal)), /enough/);
      });
    });
  });
}
