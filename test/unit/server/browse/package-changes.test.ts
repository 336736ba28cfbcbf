import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Digest } from '../../../../oci/digest.ts';
import { type ImageSbom, packageChanges } from '../../../../server/browse/package-changes.ts';

const digest = (letter: string): Digest => `sha256:${letter.repeat(64)}`;
const sbom = (
  letter: string,
  packages: readonly (readonly [name: string, version?: string])[],
  format: ImageSbom['format'] = 'SPDX',
): ImageSbom => ({
  manifest: digest(letter),
  format,
  packages: packages.map(([name, version]) => ({ name, ...(version !== undefined && { version }) })),
});

describe('packages of two images', () => {
  test('are added, removed, or of other versions', () => {
    const before = sbom('a', [
      ['zlib', '1.2'],
      ['gone', '1'],
      ['same', '1'],
      ['plain'],
      ['two', '1'],
      ['two', '2'],
    ]);
    const after = sbom('b', [['zlib', '1.3'], ['new'], ['same', '1'], ['plain'], ['two', '2'], ['two', '3']]);
    assert.deepEqual(packageChanges([before], [after]), {
      from: digest('a'),
      to: digest('b'),
      added: 1,
      removed: 1,
      changed: 2,
      changes: [
        { name: 'gone', before: '1' },
        { name: 'new', after: '' },
        { name: 'two', before: '1, 2', after: '2, 3' },
        { name: 'zlib', before: '1.2', after: '1.3' },
      ],
    });
  });

  test('are compared by SBOMs of the same format where there are such', () => {
    const from = [sbom('a', [['a', '1']], 'CycloneDX'), sbom('b', [['b', '1']])];
    const found = packageChanges(from, [sbom('c', [['c', '1']], 'Syft'), sbom('d', [['b', '2']])]);
    assert.deepEqual([found.from, found.to, found.changed], [digest('b'), digest('d'), 1]);
    const other = packageChanges(from, [sbom('c', [['a', '1']], 'Syft')]);
    assert.deepEqual([other.from, other.to, other.changes], [digest('a'), digest('c'), []]);
    const none = { added: 0, removed: 0, changed: 0, changes: [] };
    assert.deepEqual(packageChanges(from, []), { from: digest('a'), ...none });
    assert.deepEqual(packageChanges([], []), none);
  });

  test('of strangers are bounded, and compared whole', () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `package ${String(index).padStart(6, '0')}`);
    const before = sbom(
      'a',
      names.map((name) => [name, '1']),
    );
    const after = sbom('b', [
      ...names.map((name) => [name, '1'] as const),
      ['__proto__', '2'],
      ['constructor', '3'],
    ]);
    const { added, changes } = packageChanges([before], [after]);
    assert.deepEqual(
      [added, changes],
      [
        2,
        [
          { name: '__proto__', after: '2' },
          { name: 'constructor', after: '3' },
        ],
      ],
    );
    const all = packageChanges([], [after]);
    assert.equal(all.added, 0);
    const every = packageChanges([sbom('c', [])], [after]);
    assert.deepEqual([every.added, every.changes.length], [20_002, 1000]);
    const long = sbom(
      'd',
      Array.from({ length: 5000 }, (_, index) => ['many', `${index}`] as const),
    );
    const [many] = packageChanges([sbom('c', [])], [long]).changes;
    assert.match(many?.after ?? '', /, 4980 more$/);
    const large = sbom(
      'e',
      names.map((name) => [`${name}${'x'.repeat(200)}`, '1']),
    );
    assert.ok(packageChanges([sbom('c', [])], [large]).changes.length < 400);
  });
});
