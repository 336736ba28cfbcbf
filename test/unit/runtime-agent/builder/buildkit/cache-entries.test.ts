import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  decodeCacheExports,
  decodeCacheImports,
} from '../../../../../runtime-agent/builder/buildkit/frontend/cache-entries.ts';

describe('places of the build cache', () => {
  test('registries and the image', () => {
    const registry = {
      type: 'registry',
      attributes: new Map([
        ['ref', 'h/c'],
        ['mode', 'max'],
      ]),
    };
    const inline = { type: 'inline', attributes: new Map<string, string>() };
    assert.deepEqual(decodeCacheExports([registry, inline]), {
      cacheTo: [{ kind: 'registry', reference: 'h/c', mode: 'max', ignoresErrors: false }],
      inlineCache: true,
    });
    const imports = JSON.stringify([{ Type: 'registry', Attrs: { ref: 'h/c' } }]);
    assert.deepEqual(
      decodeCacheImports(
        new Map([
          ['cache-imports', imports],
          ['cache-from', 'h/a,h/b'],
        ]),
      ),
      ['h/a', 'h/b', 'h/c'].map((reference) => ({ kind: 'registry', reference })),
    );
  });

  for (const type of ['gha', 's3', 'azblob']) {
    test(`type=${type} is refused, and it is said what to use`, () => {
      const refused = {
        code: 'bad-request',
        message:
          /is not supported: .*type=registry,ref=…, in a folder, with type=local,(src|dest)=…, or in the image/,
      };
      assert.throws(() => decodeCacheExports([{ type, attributes: new Map() }]), refused);
      const imports = JSON.stringify([{ Type: type, Attrs: {} }]);
      assert.throws(() => decodeCacheImports(new Map([['cache-imports', imports]])), refused);
    });
  }

  test('a registry needs a reference, and there are two modes', () => {
    assert.throws(() => decodeCacheExports([{ type: 'registry', attributes: new Map() }]), /needs ref=/);
    const attributes = new Map([
      ['ref', 'h/c'],
      ['mode', 'most'],
    ]);
    assert.throws(() => decodeCacheExports([{ type: 'registry', attributes }]), /neither min nor max/);
  });

  test('folders of the client: of one mode, and only what its index names is read', () => {
    const local = (attributes: Record<string, string>) => ({
      type: 'local',
      attributes: new Map(Object.entries(attributes)),
    });
    const digest = `sha256:${'a'.repeat(64)}`;
    const imports = (attributes: object) =>
      decodeCacheImports(
        new Map([['cache-imports', JSON.stringify([{ Type: 'local', Attrs: attributes }])]]),
      );
    assert.deepEqual(
      decodeCacheExports([local({ dest: 'c', mode: 'max', 'ignore-error': 'true' })]).cacheTo,
      [{ kind: 'folder', path: 'c', mode: 'max', ignoresErrors: true }],
    );
    assert.deepEqual(imports({ src: 'c', digest }), [{ kind: 'folder', path: 'c', digest }]);
    assert.throws(() => imports({ src: 'c' }), /there is no cache in c/);
    assert.throws(() => decodeCacheExports([local({})]), /--cache-to type=local needs dest=/);
    assert.throws(
      () => decodeCacheExports([local({ dest: 'a' }), local({ dest: 'b', mode: 'max' })]),
      /of two modes is not supported/,
    );
    assert.throws(
      () => decodeCacheExports([local({ dest: 'a', compression: 'zstd' })]),
      /the option compression=zstd of --cache-to type=local is not supported/,
    );
  });
});
