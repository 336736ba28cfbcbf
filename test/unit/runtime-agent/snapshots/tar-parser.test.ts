import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LayerShape } from '../../../../runtime-agent/snapshots/layer-shape.ts';
import { encodeFolders, readNumber } from '../../../../runtime-agent/snapshots/tar-header.ts';
import {
  type TarEntry,
  TarFormatError,
  type TarHandler,
  TarParser,
} from '../../../../runtime-agent/snapshots/tar-parser.ts';
import { makeFeatureTree } from '../../../support/feature-tree.ts';
import { fc } from '../../../support/properties.ts';
import { runCommand } from '../../../support/run-command.ts';
import { tarTree } from '../../../support/tar-tree.ts';
import { TAR_END, tarHeader, writeTar } from '../../../support/tar-writer.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

describe('TarParser', () => {
  it('reads every kind of entry', () => {
    const { entries } = parse(
      writeTar([
        { name: 'file', type: 'file', content: 'hello', mode: 0o4711, uid: 5, gid: 6 },
        { name: 'folder/', type: 'directory' },
        { name: 'hard', type: 'hardlink', target: 'file' },
        { name: 'soft', type: 'symlink', target: '/x' },
        { name: 'char', type: 'char', major: 1, minor: 3 },
        { name: 'block', type: 'block', major: 7, minor: 300 },
        { name: 'fifo', type: 'fifo' },
      ]),
    );
    assert.deepEqual(
      entries.map(({ path, kind, size, target, major, minor }) => [path, kind, size, target, major, minor]),
      [
        ['file', 'file', 5, '', 0, 0],
        ['folder/', 'folder', 0, '', 0, 0],
        ['hard', 'hardlink', 0, 'file', 0, 0],
        ['soft', 'symlink', 0, '/x', 0, 0],
        ['char', 'char', 0, '', 1, 3],
        ['block', 'block', 0, '', 7, 300],
        ['fifo', 'fifo', 0, '', 0, 0],
      ],
    );
    const [file] = entries;
    assert.deepEqual(
      [file?.mode, file?.uid, file?.gid, file?.mtime],
      [0o4711, 5, 6, Date.UTC(2024, 0) / 1000],
    );
  });

  for (const format of ['gnu', 'pax'] as const) {
    it(`reads what GNU tar writes as ${format}`, { skip: unlessRoot() }, async (t) => {
      const directory = await makeTempDir(t);
      await makeFeatureTree(directory);
      const tar = Buffer.concat(await tarTree(directory, { format }).toArray());
      const { entries } = parse(tar);
      const { stdout } = await runCommand('tar', ['--quoting-style=literal', '--null', '-tf', '-'], {
        input: tar,
      });
      const names = entries.map(({ path }) => Buffer.from(path, 'latin1').toString('utf8'));
      assert.deepEqual(
        names,
        stdout.split('\n./').map((name, index) => (index === 0 ? name : `./${name}`).replace(/\n$/, '')),
      );
      const high = entries.find(({ path }) => path === './owners/high');
      assert.equal(high?.uid, 3_000_000);
      if (format === 'pax') {
        const xattrs = entries.find(({ path }) => path === './xattrs/file')?.xattrs;
        assert.equal(xattrs?.get('user.binary'), '\0\n=\0\xff');
        assert.equal(xattrs?.get('user.long')?.length, 1000);
      }
    });
  }

  it('gives the same whatever the pieces', () => {
    const tar = writeTar([
      { name: 'a', type: 'file', content: 'x'.repeat(1000) },
      { name: `${'long/'.repeat(40)}name`, type: 'file', content: 'y' },
      { name: 'd/', type: 'directory' },
    ]);
    const whole = parse(tar);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1 }), (sizes) => {
        assert.deepEqual(parse(tar, sizes), whole);
      }),
    );
  });

  it('fails with TarFormatError alone, whatever it is given', () => {
    const tar = writeTar([
      { name: `${'long/'.repeat(40)}name`, type: 'file', content: 'y'.repeat(600) },
      { name: 'soft', type: 'symlink', target: 't'.repeat(120) },
    ]);
    const damage = fc.record({ at: fc.nat(tar.length - 1), value: fc.nat(255), length: fc.nat(tar.length) });
    fc.assert(
      fc.property(damage, fc.boolean(), ({ at, value, length }, fixChecksum) => {
        const damaged = Buffer.from(tar.subarray(0, length));
        if (at < length) damaged[at] = value;
        if (fixChecksum) setChecksum(damaged, at - (at % 512));
        try {
          parse(damaged);
        } catch (error) {
          assert.ok(error instanceof TarFormatError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuses what other readers would pass over', () => {
    const file = (size: number) => tarHeader({ name: 'a', type: 'file' }, size);
    const typed = (type: string, size = 0) => {
      const header = file(size);
      header.write(type, 156, 'latin1');
      setChecksum(header, 0);
      return header;
    };
    const pax = (records: string) => {
      const header = typed('x', records.length);
      return Buffer.concat([header, Buffer.from(records.padEnd(512, '\0'))]);
    };
    const cases: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
      'a sparse file': [typed('S'), /"a" is a sparse file/],
      'a sparse file in pax': [pax('22 GNU.sparse.major=1\n'), /a sparse file/],
      'an unknown type': [typed('Z'), /"a" is of the unknown type "Z"/],
      'a link with a body': [typed('2', 5), /"a" is a link, folder or device with a body/],
      'a global header': [
        Buffer.concat([typed('g', 11), Buffer.from('11 path=ab\n'.padEnd(512, '\0'))]),
        /global/,
      ],
      'a malformed pax header': [pax('99 path=x\n'), /a pax header is malformed/],
      'a pax size that is no number': [Buffer.concat([pax('10 size=x\n'), file(0)]), /no valid size/],
      'a negative size': [Buffer.concat([pax('11 size=-1\n'), file(0)]), /no valid size/],
      'a long extended header': [typed('x', (1 << 20) + 1), /longer than 1 MiB/],
      'a path with a zero byte': [Buffer.concat([pax('12 path=a\0b\n'), file(0)]), /zero byte/],
      'a name that is too long': [
        Buffer.concat([pax(`267 path=${'n'.repeat(257)}\n`), file(0)]),
        /more than 255/,
      ],
      'zeros in the middle': [Buffer.concat([file(0), Buffer.alloc(512), file(0)]), /zeros is followed/],
      'a header for nothing': [pax('10 path=b\n'), /belongs to no entry/],
    };
    for (const [what, [tar, message]] of Object.entries(cases)) {
      assert.throws(() => parse(tar), { name: 'TarFormatError', message }, what);
    }
    assert.deepEqual(parse(Buffer.concat([file(0), TAR_END, Buffer.from('garbage')])).entries.length, 1);
  });
});

describe('readNumber', () => {
  it('reads octal and base 256, negative too', () => {
    const field = (bytes: readonly number[] | string) => readNumber(Buffer.from(bytes as string), 0, 8);
    assert.equal(field('0000644\0'), 0o644);
    assert.equal(field(' 644 \0\0\0'), 0o644);
    assert.equal(field('\0\0\0\0\0\0\0\0'), 0);
    assert.equal(field('abc\0\0\0\0\0'), undefined);
    assert.equal(field('9\0\0\0\0\0\0\0'), undefined);
    assert.equal(field([0x80, 0, 0, 0, 0, 1, 0, 2]), 65538);
    assert.equal(field([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), -2);
  });
});

describe('LayerShape', () => {
  const shapeOf = (...paths: readonly string[]) => {
    const shape = new LayerShape();
    for (const path of paths) shape.entry({ path, kind: path.endsWith('/') ? 'folder' : 'file' } as TarEntry);
    return shape;
  };

  it('finds the folders that have no entry of their own', () => {
    const implied = (...paths: readonly string[]) => shapeOf(...paths).impliedFolders();
    assert.deepEqual(implied('a/', 'a/b', 'a/c/', 'a/c/d'), []);
    assert.deepEqual(implied('x/y/z'), ['x', 'x/y']);
    assert.deepEqual(implied('x/y/z', 'x/'), ['x/y']);
    assert.deepEqual(implied('./x//y/./z', '/x/w'), ['x', 'x/y']);
    assert.deepEqual(implied('a/../b/c', '../../d'), ['a', 'b']);
    assert.deepEqual(implied('a/b/c', 'q/r', 'a'), ['q']);
    assert.deepEqual(
      implied('a/b/c', 'a/b/d', 'a/b', 'a/b/e', 'a/b/f'),
      ['a', 'a/b'],
      'it was a file meanwhile',
    );
    assert.deepEqual(implied('a/b', 'a/c/', 'a/c/d', 'a/c/e/f', '/a/g', 'h', '/i', 'a/..', 'a/./j/k'), [
      'a',
      'a/c/e',
      'a/j',
    ]);
  });

  it('tells what mkfs.erofs would read otherwise', () => {
    assert.equal(shapeOf('a', '.wh.b', 'd/.wh..wh..opq', 'd/x', '.wh.c', 'c').isIrregular, false);
    assert.equal(shapeOf('a', '.wh.a').isIrregular, true);
    assert.equal(shapeOf('d/x', '.wh.d').isIrregular, true);
    assert.equal(shapeOf('d/x', 'd/.wh.x').isIrregular, true);
    assert.equal(shapeOf('d/x', 'd').isIrregular, true);
    assert.equal(shapeOf('.wh.d', 'd/').isIrregular, true);
    assert.equal(shapeOf('.wh.d', 'd/x').isIrregular, true);
    assert.equal(shapeOf('d/x', 'd/y', 'd/.wh.y').isIrregular, true, 'seen beside another');
  });

  it('refuses names that mean nothing', () => {
    for (const path of ['.wh.', 'd/.wh..', '.wh...', '.wh.a/b', '.wh..wh..opq', './.wh..wh..opq']) {
      assert.throws(() => shapeOf(path), { name: 'TarFormatError' }, path);
    }
  });

  it('has folders that a parser reads again', () => {
    const paths = ['a', 'a/b', `${'l'.repeat(120)}/${'m'.repeat(200)}`];
    assert.deepEqual(
      parse(encodeFolders(paths)).entries.map(({ path, kind, mode, uid }) => [path, kind, mode, uid]),
      paths.map((path) => [`${path}/`, 'folder', 0o755, 0]),
    );
  });
});

function parse(tar: Buffer, sizes: readonly number[] = [tar.length]) {
  const entries: TarEntry[] = [];
  const bodies: string[] = [];
  const handler: TarHandler = {
    entry: (entry) => {
      entries.push(entry);
      bodies.push('');
    },
    data: (chunk) => bodies.push(`${bodies.pop()}${Buffer.from(chunk).toString('latin1')}`),
  };
  const parser = new TarParser(handler);
  for (let at = 0, piece = 0; at < tar.length; piece++) {
    const size = sizes[piece % sizes.length] ?? 1;
    parser.push(tar.subarray(at, at + size));
    at += size;
  }
  return { entries, bodies, ...parser.finish() };
}

function setChecksum(tar: Buffer, at: number): void {
  const header = tar.subarray(at, at + 512);
  if (header.length < 512) return;
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
