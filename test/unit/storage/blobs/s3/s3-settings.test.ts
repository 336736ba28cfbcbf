import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseS3Url, S3SettingsError } from '../../../../../storage/blobs/s3/s3-settings.ts';

test('a bucket alone, and all settings', () => {
  assert.deepEqual(parseS3Url('s3://images'), {
    bucket: 'images',
    prefix: '',
    pathStyle: false,
    partSize: 8 * 1024 * 1024,
  });
  const url =
    's3://images/team/a/?region=eu-1&endpoint=https://s3.example:9000/&pathStyle=false&publicEndpoint=https://s3.example.org&partSize=64MiB';
  assert.deepEqual(parseS3Url(url), {
    bucket: 'images',
    prefix: 'team/a/',
    region: 'eu-1',
    endpoint: 'https://s3.example:9000',
    pathStyle: false,
    publicEndpoint: 'https://s3.example.org',
    partSize: 64 * 1024 * 1024,
  });
  assert.equal(parseS3Url('s3://images?endpoint=http://127.0.0.1:9000').pathStyle, true);
});

test('what cannot be used is refused with its reason, and without what may be a secret', () => {
  for (const [url, reason] of [
    ['/srv/images', /not of the form s3:/],
    ['https://images', /not of the form s3:/],
    ['s3://a', /"a" is not the name of a bucket/],
    ['s3://key:hidden@images', /it contains credentials/],
    ['s3://images?colour=red', /unknown setting "colour"/],
    ['s3://images?region=a&region=b', /"region" twice/],
    ['s3://images/a/../b%20c', /"b%20c" in the prefix/],
    ['s3://images?endpoint=s3.example', /endpoint "s3.example" is not/],
    ['s3://images?endpoint=https://s3.example/path', /endpoint "https:..s3.example.path" is not/],
    ['s3://images?pathStyle=yes', /pathStyle is not true or false/],
    ['s3://images?partSize=4MiB', /partSize "4MiB" is not one of 5MiB to 1024MiB/],
    ['s3://images?partSize=8', /partSize "8"/],
  ] as const) {
    assert.throws(
      () => parseS3Url(url),
      (error) =>
        error instanceof S3SettingsError && reason.test(error.message) && !error.message.includes('hidden'),
      url,
    );
  }
});
