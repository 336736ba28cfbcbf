import assert from 'node:assert/strict';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

const PREPARE = join(import.meta.dirname, '../../deploy/prepare.sh');
const POLICY = '/usr/sbin/policy-rc.d';

/**
 * Runs `prepare.sh test` where all packages are missing, with an `apt-get` that does `installs` and says what policy it
 * has found. The machine has the policy that is given, or none. Answers the exit code and the policies: what apt-get found, and what is left.
 */
async function prepare(t: TestContext, installs: string, policy?: string) {
  const folder = await makeTempDir(t, 'prepare');
  const [root, stubs, sbin] = ['root', 'stubs', 'sbin'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const made of [join(root, 'deploy'), join(root, 'node_modules'), stubs, sbin]) {
    await mkdir(made, { recursive: true });
  }
  await copyFile(PREPARE, join(root, 'deploy/prepare.sh'));
  await writeFile(join(root, 'package-lock.json'), '{}');
  await writeFile(
    join(root, 'node_modules/.berth-lock'),
    (await runCommand('sh', ['-c', 'cksum <"$1"', '-', join(root, 'package-lock.json')])).stdout.trim(),
  );
  const stub = async (name: string, script: string) => {
    await writeFile(join(stubs, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(stubs, name), 0o755);
  };
  await stub('dpkg-query', 'exit 1');
  await stub('apt-get', `[ "$1" = install ] || exit 0\ncp ${POLICY} ${folder}/found\n${installs}`);
  if (policy !== undefined) await writeFile(join(sbin, 'policy-rc.d'), policy);
  const script = [
    `mount --bind "$1" /usr/sbin`,
    'shift',
    'code=0',
    '"$@" >/dev/null 2>&1 || code=$?',
    'echo "$code"',
  ].join('\n');
  const { stdout } = await runCommand(
    'unshare',
    ['--mount', 'sh', '-c', script, '-', sbin, 'sh', join(root, 'deploy/prepare.sh'), 'test'],
    { env: { PATH: `${stubs}:${process.env.PATH}` } },
  );
  const read = (file: string) => readFile(file, 'utf8').catch(() => undefined);
  return {
    code: Number(stdout),
    found: await read(join(folder, 'found')),
    left: await read(join(sbin, 'policy-rc.d')),
  };
}

test('services of packages are not started while they are installed, and as ever afterwards', {
  skip: unlessRoot(),
}, async (t) => {
  for (const [installs, code] of [
    ['exit 0', 0],
    ['exit 100', 1],
    ['kill -TERM "$PPID"', 143],
    ['kill -INT "$PPID"', 130],
  ] as const) {
    const run = await prepare(t, installs);
    assert.match(run.found ?? '', /^#!\/bin\/sh\n# .*\nexit 101\n$/, installs);
    assert.deepEqual([run.code, run.left], [code, undefined], installs);
  }
});

test('a policy that the machine has stays as it is', { skip: unlessRoot() }, async (t) => {
  const own = '#!/bin/sh\nexit 104\n';
  for (const installs of ['exit 0', 'exit 100', 'kill -TERM "$PPID"']) {
    const { found, left } = await prepare(t, installs, own);
    assert.deepEqual([found, left], [own, own], installs);
  }
});

test('what a killed run has left goes with the next one', { skip: unlessRoot() }, async (t) => {
  const { found: old } = await prepare(t, 'exit 0');
  const { code, left } = await prepare(t, 'exit 0', old);
  assert.deepEqual([code, left], [0, undefined]);
});
