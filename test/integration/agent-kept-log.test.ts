import assert from 'node:assert/strict';
import { appendFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { KeptLog } from '../../runtime-agent/containers/logs/kept-log.ts';
import { defer } from '../support/cleanup.ts';
import { startProcess } from '../support/managed-process.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { untilPasses } from '../support/until-passes.ts';

const FILES = 40;

test('each file of a log is compressed once it is left, however soon that is, and though nothing more is written', async (t) => {
  const folder = await makeTempDir(t, 'kept-log');
  const [path, control] = [join(folder, 'container.log'), join(folder, 'ctl')];
  await runCommand('mkfifo', [control]);
  await writeFile(path, '');
  // Stands in for conmon, which opens the log again when it is told to.
  const reopen = `exec 3<>'${control}'; echo ready; while read -r _ <&3; do : >>'${path}'; done`;
  await startProcess(t, 'sh', ['-c', reopen]).waitForLine(/ready/);
  const kept = new KeptLog({
    containerId: 'a',
    path,
    control,
    plan: { kind: 'files', maxSize: 100, maxFiles: FILES + 1, compress: true },
    log: pino({ level: 'silent' }),
    exclusively: (work) => work(),
  });
  defer(t, () => kept.close());
  for (let count = 1; count <= FILES; count += 1) {
    await appendFile(path, 'x'.repeat(100));
    await untilPasses(async () => {
      const names = (await readdir(folder)).filter((name) => name !== 'ctl').sort();
      assert.equal(names.length, count + 1);
      assert.ok(
        names.every((name) => name === 'container.log' || name.endsWith('.gz')),
        names.join(' '),
      );
    });
  }
});
