import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeDetail,
  parseDetail,
  type UploadDetail,
} from '../../../../../storage/blobs/s3/upload-detail.ts';
import { UploadUnknownError } from '../../../../../storage/errors.ts';

const ID = '0b29f5b2-5c1c-4f6e-9d2b-0d6a3d8f1a11';

test('a state of ten thousand parts of a large blob fits a row and comes back', () => {
  const partSize = 1024 ** 3;
  const etags = Array.from({ length: 9_999 }, (_, index) => index.toString(16).padStart(32, '0'));
  const detail: UploadDetail = {
    id: ID,
    at: 1,
    object: { name: 'a', multipartId: 'm', partSize, etags },
    tail: { name: 'b', size: 5 },
    stale: ['c'],
  };
  const text = encodeDetail(detail);
  assert.ok(text.length < 400_000);
  const size = 9_999 * partSize + 5;
  assert.deepEqual(parseDetail({ id: ID, size, detail: text }), detail);
  assert.throws(() => parseDetail({ id: ID, size: size - 1, detail: text }), UploadUnknownError);
});

test('a state without parts, and states of something else', () => {
  const begun: UploadDetail = {
    id: ID,
    at: 1,
    object: { name: 'a', multipartId: 'm', partSize: 5, etags: [] },
    stale: [],
  };
  assert.deepEqual(parseDetail({ id: ID, size: 0, detail: encodeDetail(begun) }), begun);
  const other = encodeDetail({ ...begun, id: ID.replace('0', '1') });
  for (const detail of ['', other]) {
    assert.throws(() => parseDetail({ id: ID, size: 0, detail }), UploadUnknownError);
  }
});
