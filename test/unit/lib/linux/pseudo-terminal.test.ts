import assert from 'node:assert/strict';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { loadLibc } from '../../../../lib/linux/libc.ts';
import { openPseudoTerminal } from '../../../../lib/linux/terminal/pseudo-terminal.ts';

test('a new terminal passes bytes unchanged in both directions, and echoes nothing', (t) => {
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
  writeSync(slave, 'one\ntwo\r\n\t');
  assert.equal(read.subarray(0, readSync(master, read)).toString(), 'one\ntwo\r\n\t', 'output');
});
