import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  openSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runProcess } from '../../../../lib/linux/process/run-process.ts';
import { sealProgram } from '../../../../lib/linux/process/sealed-program.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

describe('sealProgram', () => {
  it('makes a copy that runs and that nobody can change', async (t) => {
    const file = join(await makeTempDir(t, 'sealed'), 'program');
    copyFileSync('/bin/echo', file);
    chmodSync(file, 0o755);
    const sealed = sealProgram(file, 'echo');
    t.after(() => closeSync(Number(sealed.slice(sealed.lastIndexOf('/') + 1))));
    // What becomes of the file later is nothing to it.
    copyFileSync('/bin/false', file);
    assert.equal((await runProcess(sealed, ['from', 'memory'])).stdout, 'from memory\n');
    const writer = openSync(sealed, 'r+');
    t.after(() => closeSync(writer));
    assert.throws(() => writeSync(writer, 'x', 0), { code: 'EPERM' });
    assert.throws(() => ftruncateSync(writer, fstatSync(writer).size + 1), { code: 'EPERM' });
    assert.throws(() => ftruncateSync(writer, 0), { code: 'EPERM' });
  });

  it('fails where there is no such program, and for a script', async (t) => {
    const script = join(await makeTempDir(t, 'sealed'), 'script');
    writeFileSync(script, '#!/bin/sh\n', { mode: 0o755 });
    assert.throws(() => sealProgram(script, 'script'), /is a script/);
    assert.throws(() => sealProgram('/nonexistent', 'none'), { code: 'ENOENT' });
  });
});
