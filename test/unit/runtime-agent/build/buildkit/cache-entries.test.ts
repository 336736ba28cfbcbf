import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  decodeCacheExports,
  decodeCacheImports,
} from '../../../../../runtime-agent/build/buildkit/frontend/cache-entries.ts';

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
      cacheTo: [{ reference: 'h/c', mode: 'max' }],
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
      ['h/a', 'h/b', 'h/c'],
    );
  });

  for (const type of ['local', 'gha', 's3', 'azblob']) {
    test(`type=${type} is refused, and it is said what to use`, () => {
      const refused = {
        code: 'bad-request',
        message: /is not supported: .*type=registry,ref=…, or in the image/,
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
});
