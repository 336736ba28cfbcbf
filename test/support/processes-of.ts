import { readdir, readFile } from 'node:fs/promises';

/** The command lines of all processes in a container's cgroup, sorted; `id` is the whole ID. */
export async function processesOf(id: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '');
    if (!(await read('cgroup')).includes(`/${id}`)) continue;
    const command = (await read('cmdline')).split('\0').join(' ').trim();
    if (command !== '') found.push(command);
  }
  return found.sort();
}
