import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readNumber, TarFormatError } from '../../../../lib/tar/tar-header.ts';
import { type TarEntry, type TarHandler, TarParser } from '../../../../lib/tar/tar-parser.ts';
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
      'a pax header of very many records': [
        pax(Array.from({ length: 20_000 }, (_, n) => `13 a${String(n).padStart(6, '0')}=b\n`).join('')),
        /more than 16384 records/,
      ],
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

  it('reads names, links and devices as the Go programs do that others unpack with', () => {
    const header = (change: (header: Buffer) => void, type = '0') => {
      const made = tarHeader({ name: 'name', type: 'symlink', target: 'target' }, 0);
      made.write(type, 156, 'latin1');
      change(made);
      setChecksum(made, 0);
      return made;
    };
    const extended = (type: string, body: string) => {
      const made = header((of) => of.write(octal(body.length), 124, 'latin1'), type);
      return Buffer.concat([made, Buffer.from(body.padEnd(512, '\0'), 'latin1')]);
    };
    const plain = header(() => undefined);
    const read = (...parts: readonly Buffer[]) => parse(Buffer.concat([...parts, TAR_END])).entries[0];
    const paths: Readonly<Record<string, readonly [TarEntry | undefined, string]>> = {
      'a long name over a pax one': [
        read(extended('L', 'long\0'), extended('x', '12 path=pax\n'), plain),
        'long',
      ],
      'the same the other way round': [
        read(extended('x', '12 path=pax\n'), extended('L', 'long\0'), plain),
        'long',
      ],
      'an empty pax name': [read(extended('x', '8 path=\n'), plain), 'name'],
      'a prefix': [read(header((of) => of.write('prefix', 345, 'latin1'))), 'prefix/name'],
      'a prefix of star, before its times': [
        read(
          header((of) => {
            of.write('prefix', 345, 'latin1');
            of.write('00000000000 00000000000 ', 476, 'latin1');
            of.write('tar\0', 508, 'latin1');
          }),
        ),
        'prefix/name',
      ],
      'times of GNU': [
        read(
          header((of) => {
            of.write('ustar  \0', 257, 'latin1');
            of.write('00000000017\0', 345, 'latin1');
          }),
        ),
        'name',
      ],
      'a prefix where GNU has times': [
        read(
          header((of) => {
            of.write('ustar  \0', 257, 'latin1');
            of.write('prefix', 345, 'latin1');
          }),
        ),
        'prefix/name',
      ],
      'no prefix before POSIX': [
        read(
          header((of) => {
            of.write('\0\0\0\0\0\0\0\0', 257, 'latin1');
            of.write('prefix', 345, 'latin1');
          }),
        ),
        'name',
      ],
    };
    for (const [what, [entry, expected]] of Object.entries(paths)) assert.equal(entry?.path, expected, what);

    const slash = (type: string) => read(header((of) => of.write('name/', 0, 'latin1'), type))?.kind;
    assert.deepEqual(['0', '\0'].map(slash), ['file', 'old-folder']);
    assert.throws(() => slash('7'), /unknown type "7"/, 'which Go programs do not unpack, nor scanners see');
    const links = read(
      extended('K', 'long\0'),
      extended('x', '16 linkpath=pax\n'),
      header(() => undefined, '2'),
    );
    assert.equal(links?.target, 'long');
    for (const magic of ['z'.repeat(8), 'ustar00\0', 'ustar \0\0']) {
      const old = read(
        header((of) => {
          of.write(magic, 257, 'latin1');
          of.write('0000007\x000007\0', 329, 'latin1');
        }, '3'),
      );
      assert.deepEqual([old?.major, old?.minor], [0, 0], magic);
    }
    const late = read(extended('x', '33 mtime=1700000000.123456789012\n'), plain);
    assert.deepEqual([Math.floor(late?.mtime ?? 0), late?.mtimeNanoseconds], [1_700_000_000, 123_456_789]);
    const early = read(extended('x', '15 mtime=-1.25\n'), plain);
    assert.deepEqual([Math.floor(early?.mtime ?? 0), early?.mtimeNanoseconds], [-2, 750_000_000]);
  });

  it('refuses what no system call takes', () => {
    const refused = (entry: Parameters<typeof tarHeader>[0], change?: (header: Buffer) => void) => {
      const header = tarHeader(entry, 0);
      change?.(header);
      setChecksum(header, 0);
      return () => parse(Buffer.concat([header, TAR_END]));
    };
    const base256 = (at: number) => (header: Buffer) =>
      header.fill(0x7f, at + 1, at + 12).writeUInt8(0x80, at);
    assert.throws(refused({ name: 'a', type: 'symlink' }), /"a" is a link to nothing/);
    assert.throws(refused({ name: 'a', type: 'hardlink' }), /"a" is a link to nothing/);
    assert.throws(refused({ name: 'a', type: 'char', major: 0o10000 }), /"a" has no device number of Linux/);
    assert.throws(
      refused({ name: 'a', type: 'block', minor: 0o4000000 }),
      /"a" has no device number of Linux/,
    );
    assert.throws(refused({ name: 'a', type: 'file' }, base256(136)), /no valid mtime/);
    assert.throws(refused({ name: 'a', type: 'file' }, base256(124)), /no valid size/);
    const pax = (record: string) => {
      const made = tarHeader({ name: 'x', type: 'file' }, record.length);
      made.write('x', 156, 'latin1');
      setChecksum(made, 0);
      const body = Buffer.from(record.padEnd(512, '\0'), 'latin1');
      const link = tarHeader({ name: 'a', type: 'symlink', target: 'b' }, 0);
      return () => parse(Buffer.concat([made, body, link, TAR_END]));
    };
    assert.throws(pax('16 linkpath=a\0b\n'), /"a" has an invalid link target/);
    assert.throws(pax('27 SCHILY.xattr.user.\0a=b\n'), /a pax header is malformed/);
    assert.throws(pax('6 =ab\n'), /a pax header is malformed/);
  });

  it('goes past bodies that nobody wants', () => {
    const entries: TarEntry[] = [];
    const parser = new TarParser({
      entry: (entry) => entries.push(entry),
      data: () => assert.fail('a body'),
    });
    const tar = writeTar([
      { name: `${'long/'.repeat(40)}name`, type: 'file', content: 'y'.repeat(600) },
      { name: 'b', type: 'file', content: 'x'.repeat(512) },
      { name: 'c', type: 'file', content: '' },
    ]);
    for (let at = 0; !parser.hasEnded; ) {
      const end = at + 512 - (at % 512);
      parser.push(tar.subarray(at, end));
      at = end + parser.skippable;
      parser.skip();
    }
    assert.deepEqual(parser.finish(), { entriesEnd: tar.length - TAR_END.length, hasEndMark: true });
    assert.deepEqual(
      entries.map(({ bodyStart, size }) => tar.toString('latin1', bodyStart, bodyStart + size)),
      ['y'.repeat(600), 'x'.repeat(512), ''],
    );
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
    assert.equal(field('\0\0 0644\0'), 0o644, 'as Go reads it');
    assert.equal(field('06\x004x\0\0\0'), 0o6);
    assert.equal(field([0x80, 0, 0, 0, 0, 1, 0, 2]), 65538);
    assert.equal(field([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]), -2);
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

function octal(value: number): string {
  return `${value.toString(8).padStart(11, '0')}\0`;
}

function setChecksum(tar: Buffer, at: number): void {
  const header = tar.subarray(at, at + 512);
  if (header.length < 512) return;
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
