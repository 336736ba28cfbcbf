import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, type TestContext, test } from 'node:test';
import {
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import type { DriverUpload, StoredBlob } from '../../storage/blobs/blob-driver.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openUncheckedS3Driver } from '../../storage/blobs/s3/open-s3-driver.ts';
import type { S3Driver } from '../../storage/blobs/s3/s3-driver.ts';
import { NotThereError } from '../../storage/blobs/s3/s3-errors.ts';
import { DigestMismatchError, StorageUnavailableError, UploadUnknownError } from '../../storage/errors.ts';
import {
  collect,
  collectValues,
  digestOf,
  failingStream,
  patternBytes,
  stallingStream,
  streamOf,
} from '../support/content.ts';
import { eventually } from '../support/eventually.ts';
import { type Fault, startFaultProxy } from '../support/fault-proxy.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, settingsFor, useCredentials } from '../support/s3/s3-server.ts';

const BUCKET = 'faults';
const KIB = 1024;
const PART = 64 * KIB;
/** Milliseconds: longer than a server that has much to do needs for an answer. */
const SILENCE = 2_000;

const server = await startCeph({ after });
useCredentials(server);
await makeBucket(server, BUCKET);
const proxy = await startFaultProxy({ after }, server.endpoint);
let prefix: string;

beforeEach(() => {
  prefix = randomUUID();
  proxy.setFaults(() => undefined);
});

function open(t: TestContext, partSize = PART): S3Driver {
  const driver = openUncheckedS3Driver(settingsFor(proxy.url, BUCKET, prefix, partSize), SILENCE);
  t.after(() => driver.close());
  return driver;
}

/** Fails every third request, and none more than twice: whoever has waited for an answer too often gives up. */
function everyThird(fault: Fault) {
  const failed = new Map<string, number>();
  proxy.setFaults(({ method, url }, count) => {
    const request = `${method} ${url}`;
    const times = failed.get(request) ?? 0;
    if (count % 3 !== 0 || times === 2) return undefined;
    failed.set(request, times + 1);
    return fault;
  });
}

async function begin(driver: S3Driver): Promise<DriverUpload> {
  return driver.beginUpload(randomUUID());
}

for (const [name, fault] of Object.entries<Fault>({
  'is slowed down': { answer: { status: 503, code: 'SlowDown' } },
  'fails inside': { answer: { status: 500, code: 'InternalError' } },
  'loses its answers': { loseAnswer: true },
  'cuts its answers off': { cutAfter: 0 },
  'answers late': { lateBy: 100 },
  'does not answer': { delay: 3 * SILENCE },
})) {
  test(`a server that ${name} now and then: content is stored and read as it is`, async (t) => {
    const driver = open(t);
    everyThird(fault);
    const bytes = patternBytes(6 * PART + 100, 1);
    let upload = await driver.appendUpload(await begin(driver), streamOf(bytes.subarray(0, 3 * PART + 50)));
    upload = await driver.appendUpload(upload, streamOf(bytes.subarray(3 * PART + 50)));
    const blob = await driver.commitUpload(upload, digestOf(bytes));
    assert.ok((await collect(await driver.readBlob(blob))).equals(bytes));
    proxy.setFaults(() => undefined);
    // A multipart upload of which nobody heard that it had begun is swept, and what was stored is not.
    await driver.abortUpload(upload);
    assert.deepEqual(await collectValues(driver.listUploads()), []);
    const [file] = await driver.findBlobs(digestOf(bytes));
    assert.equal(file?.size, bytes.byteLength);
    assert.ok((await collect(await driver.readBlob(blob))).equals(bytes));
  });
}

test('a download that is cut off or stalls goes on where it was, also in a range', async (t) => {
  const driver = open(t, 8 * 1024 * KIB);
  const bytes = patternBytes(3_000_000, 2);
  const blob = await driver.commitUpload(
    await driver.appendUpload(await begin(driver), streamOf(bytes)),
    digestOf(bytes),
  );
  for (const fault of [{ cutAfter: 700_001 }, { stallAfter: 700_001 }]) {
    let reads = 0;
    proxy.setFaults(({ method }) => {
      if (method !== 'GET') return undefined;
      reads += 1;
      return reads < 4 ? fault : undefined;
    });
    assert.ok((await collect(await driver.readBlob(blob))).equals(bytes));
    assert.ok(reads >= 4, String(reads));
    reads = 0;
    const range = { start: 1_000, end: 2_900_000 };
    const part = await collect(await driver.readBlob(blob, range));
    assert.ok(part.equals(bytes.subarray(range.start, range.end + 1)));
    assert.ok(reads >= 4, String(reads));
  }
});

test('a download that makes no way fails, and does not end as if it were whole', async (t) => {
  const driver = open(t, 8 * 1024 * KIB);
  const bytes = patternBytes(500_000, 3);
  const blob = await driver.storeSmall(randomUUID(), digestOf(bytes), bytes);
  proxy.setFaults(({ method }) => (method === 'GET' ? { cutAfter: 0 } : undefined));
  await assert.rejects(collect(await driver.readBlob(blob)), StorageUnavailableError);
});

test('a gateway that is killed in the middle of an upload and of a download is waited for', async (t) => {
  const driver = open(t);
  const bytes = patternBytes(40 * PART, 4);
  async function* withDeath() {
    let sent = 0;
    for await (const chunk of streamOf(bytes)) {
      yield chunk;
      sent += chunk.byteLength;
      if (sent === 20 * PART) {
        await server.killGateway();
        void server.startGateway();
      }
    }
  }
  const upload = await driver.appendUpload(await begin(driver), withDeath());
  const blob = await driver.commitUpload(upload, digestOf(bytes));
  const read: Uint8Array[] = [];
  for await (const chunk of await driver.readBlob(blob)) {
    if (read.length === 2) {
      await server.killGateway();
      await server.startGateway();
    }
    read.push(Buffer.from(chunk));
  }
  assert.ok(Buffer.concat(read).equals(bytes));
});

test('a clock that is ten minutes wrong, in either direction', async (t) => {
  const now = Date.now;
  for (const skew of [600_000, -600_000]) {
    const driver = open(t);
    const clock = t.mock.method(Date, 'now', () => now() + skew);
    const bytes = patternBytes(2 * PART + 1, skew > 0 ? 5 : 6);
    const upload = await driver.appendUpload(await begin(driver), streamOf(bytes));
    const blob = await driver.commitUpload(upload, digestOf(bytes));
    assert.ok((await collect(await driver.readBlob(blob))).equals(bytes));
    const url = await driver.signDownload(blob);
    clock.mock.restore();
    const answer = await fetch(url);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(bytes), `${answer.status}`);
  }
});

test('an upload goes from one process to another, which verifies what it has not seen', async (t) => {
  const bytes = patternBytes(5 * PART + 10, 7);
  const [first, second] = [new BlobStore(open(t)), new BlobStore(open(t))];
  let upload = await first.append(await first.begin(), streamOf(bytes.subarray(0, 2 * PART + 5)));
  upload = await second.append(upload, streamOf(bytes.subarray(2 * PART + 5, 4 * PART)));
  await assert.rejects(first.commit(upload, digestOf('other')), DigestMismatchError);
  // To be read it had to become an object; it goes on all the same.
  upload = await second.append(upload, streamOf(bytes.subarray(4 * PART)));
  const blob = await first.commit(upload, digestOf(bytes));
  assert.ok((await collect(await second.read(blob))).equals(bytes));
  assert.deepEqual(
    (await collectValues(second.listStored())).map(({ kind }) => kind),
    ['blob'],
  );
});

test('what an append that failed has stored does not stay, nor gets in the way of the next', async (t) => {
  const driver = open(t);
  const first = patternBytes(2 * PART + 9, 8);
  const failing = driver.appendUpload(await begin(driver), failingStream(first, new Error('gone')));
  await assert.rejects(failing, /gone/);
  assert.deepEqual(await collectValues(driver.listUploads()), []);

  const upload = await driver.appendUpload(await begin(driver), streamOf(first));
  await assert.rejects(
    driver.appendUpload(upload, failingStream(patternBytes(9 * PART, 9), new Error('gone'))),
    /gone/,
  );
  const blob = await driver.commitUpload(upload, digestOf(first));
  assert.deepEqual(await driver.commitUpload(upload, digestOf(first)), blob);
  assert.ok((await collect(await driver.readBlob(blob))).equals(first));
  assert.deepEqual(await collectValues(driver.listUploads()), []);
});

test('an upload of more than a thousand parts', async (t) => {
  const driver = open(t, 4 * KIB);
  const bytes = patternBytes(1_100 * 4 * KIB + 1, 10);
  const upload = await driver.appendUpload(await begin(driver), streamOf(bytes));
  // The parts that this leaves behind make the commit look at all of them.
  const more = failingStream(patternBytes(5 * 4 * KIB, 11), new Error('gone'));
  await assert.rejects(driver.appendUpload(upload, more), /gone/);
  const blob = await driver.commitUpload(upload, digestOf(bytes));
  assert.ok((await collect(await driver.readBlob(blob))).equals(bytes));
});

test('an object that is too large for one copy is set aside part by part, and a copy that fails leaves nothing', async (t) => {
  const settings = settingsFor(proxy.url, BUCKET, prefix, PART);
  const driver = openUncheckedS3Driver(settings, SILENCE, { whole: 3 * PART, part: PART });
  t.after(() => driver.close());
  const raw = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true });
  t.after(() => raw.destroy());
  const bytes = patternBytes(9 * PART + 5, 14);
  const upload = await driver.appendUpload(await begin(driver), streamOf(bytes));
  const blob = await driver.commitUpload(upload, digestOf(bytes));

  proxy.setFaults(({ headers, url }) =>
    headers['x-amz-copy-source'] !== undefined && /partNumber=7&/.test(url ?? '')
      ? { answer: { status: 404, code: 'NoSuchKey' } }
      : undefined,
  );
  await assert.rejects(driver.setAside(blob), NotThereError);
  proxy.setFaults(() => undefined);
  const { Uploads } = await raw.send(new ListMultipartUploadsCommand({ Bucket: BUCKET, Prefix: prefix }));
  assert.deepEqual(Uploads ?? [], []);
  assert.ok((await collect(await driver.readBlob(blob))).equals(bytes));

  const before = proxy.requests.length;
  await driver.setAside(blob);
  const copies = proxy.requests.slice(before).filter((request) => /partNumber=/.test(request));
  assert.ok(copies.length >= 10, String(copies.length));
  assert.deepEqual(await driver.findBlobs(digestOf(bytes)), []);
  const { Contents = [] } = await raw.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix }));
  assert.equal(Contents.length, 1);
  const aside = await raw.send(new GetObjectCommand({ Bucket: BUCKET, Key: Contents[0]?.Key ?? '' }));
  assert.ok(Buffer.from((await aside.Body?.transformToByteArray()) ?? []).equals(bytes));
});

test('senders that stall leave their memory to others', async (t) => {
  // Parts so large that there is memory for three.
  const driver = open(t, 40 * 1024 * KIB);
  const bytes = patternBytes(400_000, 12);
  const stalled = new AbortController();
  const stalling = Array.from({ length: 3 }, async () =>
    driver.appendUpload(
      await begin(driver),
      stallingStream(bytes, () => {}),
      stalled.signal,
    ),
  );
  await eventually('all have begun', async () => true);
  const upload = await driver.appendUpload(await begin(driver), streamOf(bytes));
  await driver.commitUpload(upload, digestOf(bytes));
  stalled.abort(new Error('enough'));
  for (const one of stalling) await assert.rejects(one, /enough/);
});

test('a sweep and a commit of an upload that was left for long: one gives way', async (t) => {
  const driver = open(t);
  const sweeper = open(t);
  const bytes = patternBytes(1_000, 13);
  const uploads = await Promise.all(
    Array.from({ length: 12 }, async () => driver.appendUpload(await begin(driver), streamOf(bytes))),
  );
  const now = Date.now;
  t.mock.method(Date, 'now', () => now() + 3_600_000);
  const outcomes = await Promise.all(
    uploads.map(async (upload) => {
      const committing = driver.commitUpload(upload, digestOf(bytes)).catch((error: unknown) => error);
      await Promise.all([committing, sweeper.abortUpload({ id: upload.id, size: 0, detail: '' })]);
      return committing;
    }),
  );
  const locations = (await driver.findBlobs(digestOf(bytes))).map(({ location }) => location);
  for (const outcome of outcomes) {
    if (outcome instanceof Error) assert.ok(outcome instanceof UploadUnknownError, String(outcome));
    else assert.ok(locations.includes((outcome as StoredBlob).location));
  }
  assert.equal(locations.length, outcomes.filter((outcome) => !(outcome instanceof Error)).length);
  // Where both gave way the content is left over.
  for (const { id } of await collectValues(driver.listUploads())) {
    await sweeper.abortUpload({ id, size: 0, detail: '' });
  }
  assert.deepEqual(await collectValues(driver.listUploads()), []);
  assert.equal((await driver.findBlobs(digestOf(bytes))).length, locations.length);
});
