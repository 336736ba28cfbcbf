import assert from 'node:assert/strict';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runProcess } from '../../../../lib/linux/process/run-process.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

describe('runProcess', () => {
  it('answers output and exit code, whatever that is', async () => {
    const result = await runProcess('sh', ['-c', 'echo out; echo err >&2; exit 3']);
    assert.deepEqual(result, {
      exitCode: 3,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
      timedOut: false,
    });
  });

  it('says which signal ended the program', async () => {
    const { exitCode, signal } = await runProcess('sh', ['-c', 'kill -TERM $$']);
    assert.deepEqual([exitCode, signal], [143, 'SIGTERM']);
  });

  it('gives input, and none of its own stdin', async () => {
    assert.equal((await runProcess('cat', [], { input: Buffer.from('hello') })).stdout, 'hello');
    assert.equal((await runProcess('cat', [])).stdout, '');
    // More than a pipe holds, to a program that does not read it.
    assert.equal((await runProcess('true', [], { input: Buffer.alloc(1 << 20) })).exitCode, 0);
  });

  it('keeps the beginning of a long output, and lets the program end', async () => {
    const { stdout, exitCode } = await runProcess('sh', ['-c', 'yes | head -c 3000000'], { maxOutput: 10 });
    assert.deepEqual([stdout, exitCode], ['y\ny\ny\ny\ny\n', 0]);
  });

  it('kills at the end of its time', async () => {
    const result = await runProcess('sleep', ['60'], { timeout: 50 });
    assert.deepEqual([result.timedOut, result.exitCode], [true, 137]);
  });

  it('kills and rejects when it is aborted', async () => {
    const controller = new AbortController();
    const running = runProcess('sleep', ['60'], { signal: controller.signal });
    controller.abort(new Error('no longer wanted'));
    await assert.rejects(running, /no longer wanted/);
    await assert.rejects(runProcess('true', [], { signal: controller.signal }), /no longer wanted/);
  });

  it('rejects for a program that is not there', async () => {
    await assert.rejects(runProcess('/nowhere/at/all', []), { code: 'ENOENT' });
  });

  it('passes descriptors, and drops privileges with every group', { skip: unlessRoot() }, async (t) => {
    const path = join(await makeTempDir(t), 'file');
    const file = await open(path, 'w');
    t.after(() => file.close());
    const { stdout, exitCode } = await runProcess('sh', ['-c', 'echo through >&3; id -u; id -G'], {
      uid: 65534,
      gid: 65534,
      descriptors: [file.fd],
      cwd: '/',
    });
    assert.deepEqual([stdout, exitCode], ['65534\n65534\n', 0]);
    assert.equal(await readFile(path, 'utf8'), 'through\n');
  });
});
