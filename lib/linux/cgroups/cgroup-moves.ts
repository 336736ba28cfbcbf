import { closeSync, openSync, readFileSync, write } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout } from './cgroups.ts';

/**
 * Makes moves of processes between cgroups of version 1 quick. The first move for a while waits until every processor has
 * taken note (an RCU grace period of the kernel, 6 to 12 ms), and those of the next 15 ms do not. So the agent moves itself to where it is,
 * which changes nothing, as soon as it knows that a runtime will move a process, and that wait passes while other work is
 * done. In version 2 runtimes make processes in their group.
 */
export class CgroupMoves {
  readonly #layout: CgroupLayout;
  readonly #readOwnGroups: () => string;
  #file: { readonly fd: number; readonly groups: string } | undefined;
  #isMoving = false;

  /** `readOwnGroups` gives /proc/self/cgroup. */
  constructor(layout: CgroupLayout, readOwnGroups = () => readFileSync('/proc/self/cgroup', 'latin1')) {
    this.#layout = layout;
    this.#readOwnGroups = readOwnGroups;
  }

  /** A process is about to be moved. Never throws: without this it is only slower. */
  expect(): void {
    if (this.#layout.version === 2 || this.#isMoving) return;
    const fd = this.#ownGroup();
    if (fd === undefined) return;
    this.#isMoving = true;
    write(fd, String(process.pid), null, () => {
      this.#isMoving = false;
    });
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  /** A file by which this process can be moved to where it is. Somebody may have moved it since the last time. */
  #ownGroup(): number | undefined {
    try {
      const groups = this.#readOwnGroups();
      if (this.#file?.groups === groups) return this.#file.fd;
      this.close();
      const path = this.#findGroup(groups);
      if (path === undefined) return undefined;
      this.#file = { fd: openSync(path, 'r+'), groups };
      return this.#file.fd;
    } catch {
      return undefined;
    }
  }

  /** Lines are `NUMBER:CONTROLLERS:PATH`; where a namespace or a mount shows other paths, this process is not in the file. */
  #findGroup(groups: string): string | undefined {
    for (const line of groups.split('\n')) {
      const [, name, path] = /^[1-9]\d*:(?:name=)?([^:]+):(.*)$/.exec(line) ?? [];
      if (name === undefined || path === undefined) continue;
      const file = join(this.#layout.root, name, path, 'cgroup.procs');
      if (hasLine(file, String(process.pid))) return file;
    }
    return undefined;
  }
}

function hasLine(file: string, line: string): boolean {
  try {
    return readFileSync(file, 'latin1').split('\n').includes(line);
  } catch {
    return false;
  }
}
