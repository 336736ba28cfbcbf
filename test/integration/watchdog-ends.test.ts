import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { STALL_EXIT_CODE } from '../../lib/watchdog/watch-orders.ts';
import { countEnds } from '../../lib/watchdog/watchdog.ts';
import { type CleanupScope, defer } from '../support/cleanup.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

const CHILD = join(import.meta.dirname, '../support/stalling-child.ts');

interface StallOptions {
  /** Of node. */
  readonly flags?: readonly string[];
  /** What runs it. */
  readonly enter?: readonly string[];
  /** Whether somebody reads what it prints to standard error. */
  readonly reads?: boolean;
  readonly record?: string;
}

async function startStall(scope: CleanupScope, way: string, options: StallOptions = {}) {
  const folder = await makeTempDir(scope, 'watchdog');
  const pipe = join(folder, 'pipe');
  await runCommand('mkfifo', [pipe]);
  const record = options.record === 'a pipe' ? pipe : join(folder, 'ends');
  const command = [...(options.enter ?? []), process.execPath, ...(options.flags ?? [])];
  const [program = '', ...args] = [...command, CHILD, way, record, pipe];
  const child = spawn(program, args, { stdio: 'pipe' });
  defer(scope, () => void child.kill('SIGKILL'));
  let printed = '';
  if (options.reads !== false) child.stderr.setEncoding('utf8').on('data', (text) => (printed += text));
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  return { child, record, printed: () => printed, ended: async () => (await ended)[0] as number | null };
}

describe('the watchdog', { concurrency: 3, timeout: 900_000 }, () => {
  for (const [way, stack] of [
    ['in JavaScript', /^at in JavaScript \(file:.*stalling-child\.ts:\d+:\d+\)\nat /],
    ['in promises', /^at again \(file:.*stalling-child\.ts/],
    ['in a system call', /^in native code$/],
  ] as const) {
    test(`ends a process that stalls ${way}`, async (t) => {
      const { ended, printed, record } = await startStall(t, way);
      assert.equal(await ended(), STALL_EXIT_CODE, printed());
      assert.match(JSON.parse(printed()).stack, stack);
      assert.equal(countEnds(record), 1);
      assert.match(await readFile(record, 'utf8'), /^\d{4}-\d\d-\d\dT[\d:.]+Z\n$/);
    });
  }

  test('ends a process that cannot write its record', async (t) => {
    const { ended } = await startStall(t, 'in JavaScript', { record: 'a pipe', reads: false });
    assert.equal(await ended(), STALL_EXIT_CODE);
  });

  test('ends the first process of a container', { skip: unlessRoot() }, async (t) => {
    const enter = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
    const { ended, printed } = await startStall(t, 'in JavaScript', { enter });
    assert.equal(await ended(), STALL_EXIT_CODE, printed());
  });

  test('leaves a process alone that was stopped for longer than the limit', async (t) => {
    const { child, ended, printed } = await startStall(t, 'not at all');
    for (let stop = 0; stop < 3; stop += 1) {
      child.kill('SIGSTOP');
      await sleep(1_500);
      child.kill('SIGCONT');
      await sleep(200);
    }
    child.stdin.end('end\n');
    assert.equal(await ended(), 0, printed());
  });

  test('leaves a process alone that somebody debugs', async (t) => {
    const { ended, printed } = await startStall(t, 'for longer than the limit', {
      flags: ['--inspect=127.0.0.1:0'],
    });
    assert.equal(await ended(), 0, printed());
  });
});
