import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type TarEntry, TarParser } from '../../../../lib/tar/tar-parser.ts';
import { encodeEntry, type NewTarEntry, paddingOf, TAR_END_SIZE } from '../../../../lib/tar/tar-writer.ts';
import { fc } from '../../../support/properties.ts';

const NOTHING: ReadonlyMap<string, string> = new Map();
const plain: NewTarEntry = {
  path: 'a',
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  target: '',
  major: 0,
  minor: 0,
  xattrs: NOTHING,
};

describe('encodeEntry', () => {
  test('what it writes is what is read', () => {
    const byte = fc.integer({ min: 1, max: 255 }).filter((code) => code !== 0x2f);
    const name = fc
      .array(byte, { minLength: 1, maxLength: 200 })
      .map((codes) => String.fromCharCode(...codes));
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
    const id = fc.integer({ min: 0, max: 2 ** 32 - 2 });
    const value = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 });
    const entry = fc.record({
      path,
      kind: fc.constantFrom('file', 'symlink', 'folder', 'fifo', 'hardlink'),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: id,
      gid: id,
      mtime: fc.integer({ min: -1000, max: 2 ** 40 }),
      xattr: value.map((codes) => String.fromCharCode(...codes)),
    });
    fc.assert(
      fc.property(entry, ({ xattr, ...fields }) => {
        const linked = fields.kind === 'symlink' || fields.kind === 'hardlink';
        const xattrs = new Map([['user.x', xattr]]);
        const written = { ...plain, ...fields, target: linked ? fields.path : '', xattrs } as NewTarEntry;
        const [read] = parse([encodeEntry(written)]);
        const expected = fields.kind === 'folder' ? `${fields.path}/` : fields.path;
        assert.deepEqual(read && asWritten(read), { ...written, path: expected });
      }),
    );
  });

  test('large sizes and parts of a second get a pax header, and nothing else does', () => {
    assert.equal(encodeEntry(plain).length, 512);
    for (const odd of [{ size: 9 * 2 ** 30 }, { mtime: 1.25 }, { uid: 3_000_000 }]) {
      const header = encodeEntry({ ...plain, ...odd });
      assert.ok(header.length > 512);
      const entries: TarEntry[] = [];
      const parser = new TarParser({ entry: (entry) => entries.push(entry), data: () => undefined });
      parser.push(header);
      assert.deepEqual(entries.map(asWritten), [{ ...plain, ...odd }]);
    }
  });

  test('the same entry gives the same bytes, in whatever order its attributes are', () => {
    const one = new Map([
      ['user.a', '1'],
      ['user.b', '2'],
    ]);
    const other = new Map([...one].reverse());
    assert.deepEqual(encodeEntry({ ...plain, xattrs: one }), encodeEntry({ ...plain, xattrs: other }));
  });

  test('padding fills the last block', () => {
    assert.deepEqual([0, 1, 511, 512, 513].map(paddingOf), [0, 511, 1, 0, 511]);
  });
});

function asWritten({
  bodyStart: _,
  mtimeNanoseconds: __,
  ...written
}: TarEntry): Omit<TarEntry, 'bodyStart' | 'mtimeNanoseconds'> {
  return written;
}

function parse(headers: readonly Buffer[]): readonly TarEntry[] {
  const entries: TarEntry[] = [];
  const parser = new TarParser({ entry: (entry) => entries.push(entry), data: () => undefined });
  parser.push(Buffer.concat([...headers, Buffer.alloc(TAR_END_SIZE)]));
  assert.ok(parser.finish().hasEndMark);
  return entries;
}
