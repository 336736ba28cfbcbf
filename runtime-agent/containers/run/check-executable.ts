import { readdir } from 'node:fs/promises';
import { arch } from 'node:process';
import { readHeadInRoot } from '../../../lib/linux/files/open-in-root.ts';
import { RuntimeCreateError } from '../../oci-runner/conmon.ts';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { classifyExecutable, commandPaths, EXECUTABLE_HEAD } from '../plan/executable.ts';

/** `#!` may name a script that names another; the kernel gives up after a few as well. */
const MAX_SCRIPTS = 4;

/**
 * Refuses a command that is a program of another architecture. The runtimes notice only after they have answered that
 * they started it. Where the kernel has interpreters for foreign programs (binfmt_misc) it is let through. Throws
 * RuntimeCreateError.
 */
export async function checkExecutable(
  context: ContainerContext,
  container: Container,
  rootfs: string,
  env: readonly string[],
): Promise<void> {
  const cwd = container.config.WorkingDir === '' ? '/' : container.config.WorkingDir;
  for (const found of commandPaths(container.path, cwd, env)) {
    let path = found;
    for (let depth = 0; depth < MAX_SCRIPTS; depth += 1) {
      const head = readHeadInRoot(context.libc, rootfs, path, EXECUTABLE_HEAD);
      if (head === undefined) break;
      const what = classifyExecutable(head, arch);
      if (what.kind === 'native-or-unknown') return;
      if (what.kind === 'foreign') {
        if (await hasForeignInterpreters()) return;
        throw new RuntimeCreateError(`exec: ${JSON.stringify(found)}: exec format error`);
      }
      path = what.interpreter;
    }
  }
}

async function hasForeignInterpreters(): Promise<boolean> {
  const names = await readdir('/proc/sys/fs/binfmt_misc').catch(() => []);
  return names.some((name) => name !== 'register' && name !== 'status');
}
