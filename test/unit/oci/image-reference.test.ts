import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDigest } from '../../../oci/digest.ts';
import { ReferenceInvalidError } from '../../../oci/errors.ts';
import {
  familiarName,
  familiarReference,
  fullReference,
  type ImageReference,
  parseImageReference,
} from '../../../oci/reference.ts';
import { fc } from '../../support/properties.ts';

const HEX = 'a'.repeat(64);
const DIGEST = parseDigest(`sha256:${HEX}`);

test('names are completed as docker completes them', () => {
  const read: readonly (readonly [string, ImageReference])[] = [
    ['alpine', { registry: 'docker.io', repository: 'library/alpine', tag: 'latest' }],
    ['alpine:3', { registry: 'docker.io', repository: 'library/alpine', tag: '3' }],
    ['x.y', { registry: 'docker.io', repository: 'library/x.y', tag: 'latest' }],
    ['team/app', { registry: 'docker.io', repository: 'team/app', tag: 'latest' }],
    ['team/app/part', { registry: 'docker.io', repository: 'team/app/part', tag: 'latest' }],
    ['docker.io/alpine', { registry: 'docker.io', repository: 'library/alpine', tag: 'latest' }],
    ['index.docker.io/a/b', { registry: 'docker.io', repository: 'a/b', tag: 'latest' }],
    ['localhost/app', { registry: 'localhost', repository: 'app', tag: 'latest' }],
    ['localhost:5000/app:v1', { registry: 'localhost:5000', repository: 'app', tag: 'v1' }],
    ['host:5000/team/app', { registry: 'host:5000', repository: 'team/app', tag: 'latest' }],
    ['UPPER/app', { registry: 'UPPER', repository: 'app', tag: 'latest' }],
    ['[::1]:5000/app', { registry: '[::1]:5000', repository: 'app', tag: 'latest' }],
    ['10.0.0.1/app', { registry: '10.0.0.1', repository: 'app', tag: 'latest' }],
    [`app@${DIGEST}`, { registry: 'docker.io', repository: 'library/app', digest: DIGEST }],
    [`h.x/app:1@${DIGEST}`, { registry: 'h.x', repository: 'app', tag: '1', digest: DIGEST }],
  ];
  for (const [text, reference] of read) assert.deepEqual(parseImageReference(text), reference, text);
});

test('refusals are worded as docker words them', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['', 'invalid reference format'],
    ['App', 'invalid reference format: repository name (library/App) must be lowercase'],
    ['host:5000/App:1', 'invalid reference format: repository name (App) must be lowercase'],
    ['a:b:c', 'invalid reference format'],
    ['a/', 'invalid reference format'],
    ['/a', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['a:-x', 'invalid reference format'],
    ['a:', 'invalid reference format'],
    ['a@', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['a___b', 'invalid reference format'],
    ['host:port/x', 'invalid reference format'],
    ['https://host/x', 'invalid reference format'],
    ['-host.x/y', 'invalid reference format'],
    ['x/../../y', 'invalid reference format'],
    ['a@sha256:abc', 'invalid reference format'],
    [`a@sha256:${'A'.repeat(64)}`, 'invalid checksum digest format'],
    [`a@sha256:${'a'.repeat(63)}`, 'invalid checksum digest length'],
    [`a@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    ['g'.repeat(256), 'repository name must not be more than 255 characters'],
    ['a'.repeat(100_000), 'invalid reference format'],
  ];
  for (const [text, message] of refused) {
    assert.throws(
      () => parseImageReference(text),
      (error) => {
        assert.ok(error instanceof ReferenceInvalidError);
        assert.equal(error.message, message);
        return true;
      },
      text,
    );
  }
});

test('the familiar form leaves out what docker leaves out', () => {
  const printed: readonly (readonly [string, string])[] = [
    ['docker.io/library/alpine:3', 'alpine:3'],
    ['docker.io/library/a/b', 'library/a/b:latest'],
    ['docker.io/team/app:1', 'team/app:1'],
    ['host:5000/library/app', 'host:5000/library/app:latest'],
    [`alpine@${DIGEST}`, `alpine@${DIGEST}`],
  ];
  for (const [text, familiar] of printed) {
    assert.equal(familiarReference(parseImageReference(text)), familiar);
  }
  assert.equal(familiarName(parseImageReference('alpine:3')), 'alpine');
  assert.equal(fullReference(parseImageReference('alpine:3')), 'docker.io/library/alpine:3');
});

test('what is printed reads back as the same', () => {
  const component = fc.stringMatching(/^[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}$/);
  const references = fc.record({
    registry: fc.oneof(
      fc.constantFrom('docker.io', 'localhost', '[::1]:80'),
      fc.stringMatching(/^[a-zA-Z0-9]{1,5}\.[a-zA-Z0-9]{1,5}(:[0-9]{1,5})?$/),
    ),
    path: fc.array(component, { minLength: 1, maxLength: 4 }),
    tag: fc.option(fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,12}$/), { nil: undefined }),
    digest: fc.option(
      fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => parseDigest(`sha256:${hex}`)),
      { nil: undefined },
    ),
  });
  fc.assert(
    fc.property(references, ({ registry, path, tag, digest }) => {
      const isShort = registry === 'docker.io' && path.length === 1;
      const reference: ImageReference = {
        registry,
        repository: isShort ? `library/${path[0]}` : path.join('/'),
        ...(digest && { digest }),
        ...(tag && { tag }),
        ...(!tag && !digest && { tag: 'latest' }),
      };
      assert.deepEqual(parseImageReference(fullReference(reference)), reference);
      // A bare image ID is the one text that docker refuses though it would be a name.
      if (/^[a-f0-9]{64}$/.test(familiarReference(reference))) return;
      // docker.io/localhost/x and docker.io/a.b/x have no familiar form of their own in docker either.
      const first = path[0] ?? '';
      if (registry === 'docker.io' && path.length > 1 && (first === 'localhost' || first.includes('.')))
        return;
      assert.deepEqual(parseImageReference(familiarReference(reference)), reference);
    }),
  );
});

test('no text makes it fail in another way', () => {
  const letters = fc.constantFrom(
    'a',
    'B',
    '0',
    ':',
    '/',
    '@',
    '.',
    '-',
    '_',
    '[',
    ']',
    ' ',
    'é',
    'sha256:',
    HEX,
  );
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 10 }), (parts) => {
      try {
        const reference = parseImageReference(parts.join(''));
        assert.ok(reference.tag !== undefined || reference.digest !== undefined);
      } catch (error) {
        assert.ok(error instanceof ReferenceInvalidError, String(error));
      }
    }),
    { numRuns: 3_000 },
  );
});
