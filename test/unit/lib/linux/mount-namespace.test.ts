import assert from 'node:assert/strict';
import { mkdir, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readProcessors } from '../../../../lib/linux/processors.ts';
import { type ManagedProcess, startProcess } from '../../../support/managed-process.ts';
import { mountsUnder } from '../../../support/mounts.ts';
import { runCommand } from '../../../support/run-command.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';
import { unlessRoot } from '../../../support/unless-root.ts';

const linux = new URL('../../../../lib/linux/mount/', import.meta.url);

/** What the program under test says of itself. */
interface Report {
  readonly namespace: string;
  readonly directory: string;
  readonly args: readonly string[];
  readonly mounts: readonly string[];
}

describe('enterMountNamespace', { skip: unlessRoot() }, () => {
  it('keeps mounts from the host, and finds them again after kill -9', async (t) => {
    const { directory, start } = await begin(t);
    const host = await readlink('/proc/self/ns/mnt');
    const first = await start();
    assert.notEqual(first.report.namespace, host);
    assert.equal(first.report.directory, directory, 'the working directory stays');
    assert.deepEqual(first.report.args, ['one', 'two words'], 'so do the arguments');
    assert.ok(first.report.mounts.includes(join(directory, 'mine')));
    assert.deepEqual((await mountsUnder(directory)).includes(join(directory, 'mine')), false);
    assert.equal(
      await readlink(`/proc/${first.process.pid}/ns/mnt`),
      first.report.namespace,
      'the pid stays',
    );

    await first.process.end('SIGKILL');
    const second = await start();
    assert.equal(second.report.namespace, first.report.namespace);
    assert.equal(second.report.mounts.filter((point) => point === join(directory, 'mine')).length, 1);
  });

  it('sees what the host mounts later, and leaves the host its unified cgroups', async (t) => {
    const { directory, start } = await begin(t);
    const shared = join(directory, 'shared');
    await mkdir(shared);
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', shared]);
    await runCommand('mount', ['--make-shared', shared]);
    const first = await start();
    await mkdir(join(shared, 'later'));
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', join(shared, 'later')]);
    await first.process.end('SIGKILL');
    const second = await start();
    assert.ok(second.report.mounts.includes(join(shared, 'later')));
    assert.ok(!second.report.mounts.includes('/sys/fs/cgroup/unified'));
  });

  it('makes a new one where a reboot has left a plain file, or the pin is gone', async (t) => {
    const { directory, start } = await begin(t);
    await mkdir(join(directory, 'run'));
    await writeFile(join(directory, 'run/mount-namespace'), '');
    await writeFile(
      join(directory, 'run/mount-namespace.id'),
      `another-boot ${(await stat('/proc/self/ns/mnt')).ino}\n`,
    );
    const first = await start();
    assert.notEqual(first.report.namespace, await readlink('/proc/self/ns/mnt'));
    await first.process.end('SIGKILL');
    await runCommand('umount', [join(directory, 'run/mount-namespace')]);
    const second = await start();
    assert.notEqual(second.report.namespace, await readlink('/proc/self/ns/mnt'));
  });

  it('works within a namespace of a service manager, whatever processor made it', async (t) => {
    for (const processor of await readProcessors()) {
      const { start } = await begin(t);
      const { report } = await start([
        ...['taskset', '-c', processor, 'unshare', '--mount', '--propagation', 'private'],
        ...['taskset', '-c', (await readProcessors()).join(',')],
      ]);
      assert.ok(report.mounts.some((point) => point.endsWith('/mine')));
    }
  });
});

async function begin(t: TestContext) {
  const directory = await makeTempDir(t, 'namespace');
  const program = join(directory, 'program.ts');
  await writeFile(
    program,
    `import { mkdir, readlink } from 'node:fs/promises';
import { enterMountNamespace } from '${linux.href}mount-namespace.ts';
import { mount, readMounts } from '${linux.href}mount.ts';
await enterMountNamespace({
  runDirectory: '${directory}/run',
  execPath: process.execPath,
  args: [...process.execArgv, ...process.argv.slice(1)],
});
const target = '${directory}/mine';
await mkdir(target, { recursive: true });
const points = async () => (await readMounts()).map((entry) => entry.mountPoint);
if (!(await points()).includes(target)) await mount({ source: 'tmpfs', target, type: 'tmpfs', flags: [] });
const report = {
  namespace: await readlink('/proc/self/ns/mnt'),
  directory: process.cwd(),
  args: process.argv.slice(2),
  mounts: await points(),
};
console.log('report ' + JSON.stringify(report));
setInterval(() => {}, 60_000);
`,
  );
  const start = async (
    before: readonly string[] = [],
  ): Promise<{ readonly process: ManagedProcess; readonly report: Report }> => {
    const [command = '', ...args] = [...before, process.execPath, program, 'one', 'two words'];
    const started = startProcess(t, command, args, { cwd: directory });
    const [, report = ''] = await started.waitForLine(/report (\{.*\})\n/);
    return { process: started, report: JSON.parse(report) as Report };
  };
  return { directory, start };
}
