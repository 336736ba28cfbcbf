import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { runCommand } from './run-command.ts';

/**
 * Makes a root filesystem in `directory` from the installed package busybox-static: the binary at
 * /bin/busybox, a symlink for each of its applets, and the few files of /etc that programs read.
 */
export async function makeBusyboxTree(directory: string): Promise<void> {
  for (const folder of ['bin', 'sbin', 'usr/bin', 'usr/sbin', 'etc', 'dev', 'proc', 'sys', 'var', 'home']) {
    await mkdir(join(directory, folder), { recursive: true });
  }
  await mkdir(join(directory, 'root'), { mode: 0o700 });
  await mkdir(join(directory, 'tmp'));
  await chmod(join(directory, 'tmp'), 0o1777);
  const busybox = join(directory, 'bin/busybox');
  await copyFile('/bin/busybox', busybox);
  await chmod(busybox, 0o755);
  const { stdout } = await runCommand('/bin/busybox', ['--list-full']);
  for (const applet of stdout.trim().split('\n')) {
    const path = join(directory, applet);
    if (path === busybox) continue;
    await mkdir(dirname(path), { recursive: true });
    await symlink(relative(dirname(path), busybox), path);
  }
  await writeFile(
    join(directory, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n',
  );
  await writeFile(join(directory, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  await writeFile(join(directory, 'etc/hosts'), '127.0.0.1\tlocalhost\n');
}
