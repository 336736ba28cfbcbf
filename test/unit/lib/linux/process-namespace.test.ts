import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readProcessStat } from '../../../../lib/linux/process/proc.ts';
import { openProcessNamespace } from '../../../../lib/linux/process/process-namespace.ts';

describe('a namespace of a process', () => {
  test('is opened for the process that is meant, and stays that one when it ends', async () => {
    const child = spawn('sleep', ['1000']);
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    const startTime = readProcessStat(pid)?.startTime ?? 0;
    const opened = openProcessNamespace({ pid, startTime }, 'net') ?? assert.fail('it runs');
    const { ino } = await stat(`/proc/${pid}/ns/net`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal((await stat(opened.path)).ino, ino);
    opened.close();
    assert.equal(openProcessNamespace({ pid, startTime }, 'net'), undefined);
  });

  test('is not opened where another process has the number', () => {
    const { startTime } = readProcessStat(process.pid) ?? assert.fail();
    assert.equal(openProcessNamespace({ pid: process.pid, startTime: startTime - 1 }, 'net'), undefined);
  });

  test('is opened in one place: a number alone may be another process by then', () => {
    const byNumber = /\/proc\/\$\{[^}]*pid[^}]*\}\/(ns|net|root|cwd)\b/;
    const cwd = join(import.meta.dirname, '../../../..');
    const found = globSync('{lib,runtime-agent}/**/*.ts', { cwd }).filter((file) =>
      byNumber.test(readFileSync(join(cwd, file), 'utf8')),
    );
    assert.deepEqual(found.sort(), [
      // Looks at the start time after it has read the table.
      'lib/linux/network/network-counters.ts',
      'lib/linux/process/process-namespace.ts',
      // Reads which namespaces there are, and enters none.
      'runtime-agent/cli/reset/read-remains.ts',
      // Looks at the start time after it has opened the folder.
      'runtime-agent/containers/files/container-view.ts',
      // Shows the path to clients.
      'runtime-agent/engine-api/views/network-settings.ts',
    ]);
  });
});
