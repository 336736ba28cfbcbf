import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { releaseProgramPages, unchanged } from '../../../../lib/linux/release-program-pages.ts';

const mapping = (range: string, rights: string, path: string, anonymous: number) =>
  `${range} ${rights} 00000000 fe:00 7    ${path}\nSize:    8 kB\nRss:    8 kB\nAnonymous:    ${anonymous} kB\nLazyFree:    0 kB\n`;

test('what the process can write or has changed is kept, as is what is of other files', () => {
  const smaps = [
    mapping('00400000-00402000', 'r--p', '/usr/bin/node', 0),
    mapping('00500000-00502000', 'r-xp', '/usr/bin/node', 0),
    mapping('00600000-00602000', 'r--p', '/usr/bin/node', 4),
    mapping('00700000-00702000', 'rw-p', '/usr/bin/node', 0),
    mapping('00800000-00802000', 'r-xs', '/usr/bin/node', 0),
    mapping('00900000-00902000', 'r-xp', '/usr/lib/libc.so.6', 0),
    mapping('00a00000-00a02000', 'r--p', '', 0),
  ].join('');
  assert.deepEqual(unchanged(smaps, '/usr/bin/node'), [
    { begin: 0x400000n, end: 0x402000n },
    { begin: 0x500000n, end: 0x502000n },
  ]);
});

test('the process goes on, with less memory', async () => {
  const fileMemory = () => Number(/RssFile:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  const before = fileMemory();
  await releaseProgramPages();
  const after = fileMemory();
  assert.ok(after < before / 2, `${before} kB before, ${after} kB after`);
  assert.match(await import('node:zlib').then(({ gzipSync }) => gzipSync('x').toString('hex')), /^1f8b/);
});
