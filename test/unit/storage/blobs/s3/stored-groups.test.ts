import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ObjectKeys, parseName, TOMBSTONE, wholeName } from '../../../../../storage/blobs/s3/object-keys.ts';
import {
  blobsOf,
  type Group,
  leftoversOf,
  touchedAt,
} from '../../../../../storage/blobs/s3/stored-groups.ts';
import { digestOf } from '../../../../support/content.ts';

const ID = '0b29f5b2-5c1c-4f6e-9d2b-0d6a3d8f1a11';
const DIGEST = digestOf('content');
const keys = new ObjectKeys('team/');

function group(...names: string[]): Group {
  const objects = names.map((name, index) => {
    const object = { key: keys.group(ID) + name, size: index, modifiedAt: new Date(1_000 * (index + 1)) };
    return [name, object] as const;
  });
  return { uploadId: ID, objects: new Map(objects) };
}

function nameOf(key: string): string {
  const parsed = keys.parse(key);
  assert.equal(parsed?.uploadId, ID);
  return parsed.name;
}

test('keys and names are read as they are written', () => {
  const location = `${ID}/a1b2`;
  assert.equal(keys.content(location), `team/blobs/${ID}/a1b2`);
  assert.deepEqual(parseName(nameOf(keys.content(location))), { kind: 'content', name: 'a1b2' });
  for (const digest of [DIGEST, digestOf('content', 'sha512')]) {
    const marker = nameOf(keys.marker({ location, digest }));
    assert.deepEqual(parseName(marker), { kind: 'marker', content: 'a1b2', digest });
    assert.deepEqual(parseName(wholeName(digest)), { kind: 'whole', digest });
  }
  assert.deepEqual(parseName(TOMBSTONE), { kind: 'other' });
  assert.equal(keys.parse('team/blobs/not-an-id/a'), undefined);
  assert.equal(keys.parse(`team/blobs/${ID}/a/b`), undefined);
});

test('content with its marker is a blob, and all else is left over', () => {
  const marker = nameOf(keys.marker({ location: `${ID}/a1`, digest: DIGEST }));
  const stray = nameOf(keys.marker({ location: `${ID}/gone`, digest: DIGEST }));
  const mixed = group('tail', 'a1', marker, stray, TOMBSTONE);
  assert.deepEqual(blobsOf(mixed), [
    { digest: DIGEST, size: 1, location: `${ID}/a1`, uploadId: ID, storedAt: new Date(3_000) },
  ]);
  assert.deepEqual(leftoversOf(mixed).map(nameOf), ['tail', stray, TOMBSTONE]);
  assert.deepEqual(touchedAt(mixed), new Date(5_000));

  const whole = group(wholeName(DIGEST));
  assert.equal(blobsOf(whole)[0]?.location, `${ID}/${wholeName(DIGEST)}`);
  assert.deepEqual(leftoversOf(whole), []);
  assert.deepEqual(blobsOf(group('a1', 'a2')), []);
});
