import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { type PipedOptions, spawnPiped } from '../../../../lib/linux/process/spawn-piped.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

/** Runs a script whose descriptor 4 has `input`; returns its output and exit code. */
async function run(script: string, options: Pick<PipedOptions, 'input' | 'beforeInput'>) {
  const child = spawnPiped('/bin/sh', ['-c', script], {
    env: { PATH: '/usr/bin:/bin' },
    ...{ stdin: false, stdout: true, stderr: false },
    ...options,
  });
  assert.ok(child.stdout !== undefined);
  return { output: await text(child.stdout), exit: await child.exit };
}

describe('spawnPiped', () => {
  it('gives the program its input at descriptor 4, also more than a pipe holds', async () => {
    const input = 'cargo\n'.repeat(50_000);
    const { output, exit } = await run('cat /proc/self/fd/4; exit 3', { input });
    assert.ok(output === input);
    assert.equal(exit, 3);
  });

  it('ends with a program that does not read its input', async () => {
    assert.equal((await run('exit 4', { input: 'x'.repeat(300_000) })).exit, 4);
  });

  it('gives no input before the caller has prepared the process', async (t) => {
    const file = join(await makeTempDir(t), 'prepared');
    const beforeInput = (pid: number) => {
      // The program has time to go on, if it can.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      writeFileSync(file, String(pid));
    };
    const { output } = await run(`read line <&4; echo "$line"; test "$(cat ${file})" = $$ && echo prepared`, {
      input: 'go on\n',
      beforeInput,
    });
    assert.equal(output, 'go on\nprepared\n');
  });
});
