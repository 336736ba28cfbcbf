import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { makeTempDir } from '../support/temp-dir.ts';

enterOwnNetwork();

function doctor(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const result = spawnSync(process.execPath, [AGENT_PROGRAM, 'doctor', ...args], {
    encoding: 'utf8',
    timeout: LONGEST_WAIT,
    env: { ...process.env, ...environment },
  });
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}

test('a host that has all is told so, by trials that leave nothing behind', async (t) => {
  const folder = await makeTempDir(t, 'doctor');
  const { code, stdout, stderr } = doctor([
    ...['--data', join(folder, 'data'), '--socket', join(folder, 'agent.sock')],
  ]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^ok {4}runtime +(crun|runc) \S+ has run a container/m);
  assert.match(stdout, /^ok {4}layers +layers are mounted/m);
  assert.match(stdout, /^ok {4}network /m);
  assert.match(stdout, /^note {2}agent +no agent answers on .*agent\.sock$/m);
  assert.deepEqual(await readdir(folder), []);
});

test('a program that is missing is named with the command that brings it, for programs too', async (t) => {
  const folder = await makeTempDir(t, 'doctor');
  const programs = await makeTempDir(t, 'programs');
  for (const place of ['/usr/bin', '/usr/sbin']) {
    for (const name of await readdir(place)) {
      if (['tini-static', 'igzip', 'zstd'].includes(name)) continue;
      await symlink(join(place, name), join(programs, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
    }
  }
  const args = ['--json', '--data', join(folder, 'data'), '--socket', join(folder, 'agent.sock')];
  const { code, stdout, stderr } = doctor(args, { PATH: programs });
  assert.equal(code, 1, stdout + stderr);
  const findings = JSON.parse(stdout) as { part: string; grade: string; remedy?: string }[];
  assert.deepEqual(
    findings
      .filter(({ part }) => ['tini-static', 'igzip', 'zstd'].includes(part))
      .map(({ part, grade, remedy }) => ({ part, grade, remedy })),
    [
      { part: 'tini-static', grade: 'lacking', remedy: 'apt-get install tini' },
      { part: 'igzip', grade: 'poorer', remedy: 'apt-get install isal' },
      { part: 'zstd', grade: 'poorer', remedy: 'apt-get install zstd' },
    ],
  );
});

test('what it cannot take is refused by a sentence', () => {
  const { code, stderr } = doctor(['--bogus']);
  assert.equal(code, 2);
  assert.match(stderr, /^berth-agent: the option "--bogus" is not known/);
});
