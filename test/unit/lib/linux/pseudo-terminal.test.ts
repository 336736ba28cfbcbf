import assert from 'node:assert/strict';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { loadLibc } from '../../../../lib/linux/libc.ts';
import { openPseudoTerminal } from '../../../../lib/linux/terminal/pseudo-terminal.ts';
import { singleReturns } from '../../../../lib/linux/terminal/terminal.ts';

test('a new terminal passes input unchanged, echoes nothing, and ends lines of output with a carriage return', (t) => {
  const { master, slave } = openPseudoTerminal(loadLibc());
  t.after(() => {
    closeSync(slave);
    closeSync(master);
  });
  const reader = openSync(
    `/proc/self/fd/${slave}`,
    constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK,
  );
  t.after(() => closeSync(reader));
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const read = Buffer.alloc(1024);
  writeSync(master, every);
  assert.deepEqual(read.subarray(0, readSync(reader, read)), every, 'input');
  writeSync(slave, 'one\ntwo\t');
  assert.equal(read.subarray(0, readSync(master, read)).toString(), 'one\r\ntwo\t', 'output');
});

test('of two carriage returns before a line feed one is left, however chunks split them', () => {
  const text = 'a\r\r\nb\r\nc\rd\r\re\r\r\r\nf\n\r\r\n\r\r';
  const wanted = 'a\r\nb\r\nc\rd\r\re\r\r\nf\n\r\n\r\r';
  for (let size = 1; size <= text.length; size += 1) {
    const filter = singleReturns();
    let passed = '';
    for (let at = 0; at < text.length; at += size) passed += filter(Buffer.from(text.slice(at, at + size)));
    assert.equal(passed + filter(), wanted, `chunks of ${size}`);
  }
});
