import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { loadLibc } from '../../../../lib/linux/libc.ts';
import { isProcessAlive, readProcessStat } from '../../../../lib/linux/process/proc.ts';
import { runFirst } from '../../../../lib/linux/process/realtime.ts';
import { signalProcess } from '../../../../lib/linux/process/signal-process.ts';
import { spawnLight } from '../../../../lib/linux/process/spawn-light.ts';

describe('signalProcess', () => {
  it('reaches a process, and no later one that has its number', async () => {
    const libc = loadLibc();
    const child = spawn('sleep', ['1000']);
    const pid = child.pid ?? 0;
    const { startTime } = readProcessStat(pid) ?? { startTime: -1 };
    assert.equal(isProcessAlive(pid, startTime), true);
    assert.equal(isProcessAlive(pid, startTime + 1), false);
    assert.equal(signalProcess(libc, pid, startTime + 1, 9), false);
    assert.equal(isProcessAlive(pid, startTime), true);
    assert.equal(signalProcess(libc, pid, startTime, 15), true);
    const [, signal] = await once(child, 'exit');
    assert.equal(signal, 'SIGTERM');
    assert.equal(isProcessAlive(pid, startTime), false);
    assert.equal(signalProcess(libc, pid, startTime, 15), false);
  });
});

describe('spawnLight', () => {
  const sh = (script: string, options = {}) => spawnLight('/bin/sh', ['-c', script], { env: {}, ...options });

  it('gives environment, folder, arguments and the second pipe, and nothing more', async () => {
    const child = sh('pwd >&2; echo "$A|$HOME|$0" >&2; echo report >&3; ls /proc/self/fd >&2; exit 7', {
      env: { A: 'x y', PATH: '/usr/bin:/bin' },
      cwd: '/usr',
      report: true,
    });
    assert.ok(child.report !== undefined);
    const [exit, stderr, report] = await Promise.all([child.exit, text(child.stderr), text(child.report)]);
    assert.equal(exit, 7);
    assert.equal(report, 'report\n');
    // The descriptor with which ls reads the folder is 4.
    assert.equal(stderr, '/usr\nx y||/bin/sh\n0\n1\n2\n3\n4\n');
  });

  it('starts it with no signal ignored or blocked', async () => {
    const child = sh(
      'while read line; do case $line in Sig[BI]*) echo $line;; esac; done < /proc/self/status >&2',
    );
    assert.equal(await text(child.stderr), 'SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n');
    assert.equal(await child.exit, 0);
  });

  it('answers 128 and the number of a signal', async () => {
    const child = sh('kill -TERM $$');
    child.stderr.resume();
    assert.equal(await child.exit, 143);
  });

  it('throws when there is no such program', () => {
    assert.throws(() => spawnLight('/no/such', [], { env: {} }), { code: 'ENOENT', message: /\/no\/such/ });
  });
});

describe('runFirst', () => {
  const isAllowed = spawnSync('chrt', ['--reset-on-fork', '--fifo', '1', 'true']).status === 0;

  it('gives a process a realtime policy, and none to those that it starts', {
    skip: !isAllowed && 'realtime policies are forbidden here',
  }, async () => {
    const policies = 'cut -d " " -f 41 /proc/$$/stat; sh -c \'cut -d " " -f 41 /proc/$$/stat\'';
    const child = spawn('sh', ['-c', `read line; ${policies}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    runFirst(child.pid ?? 0);
    child.stdin.end('go on\n');
    assert.equal(await text(child.stdout), '1\n0\n');
  });

  it('lets a process be that is not there', () => runFirst(2 ** 30));
});
