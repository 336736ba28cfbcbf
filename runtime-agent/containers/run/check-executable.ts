import { readdir } from 'node:fs/promises';
import { arch } from 'node:process';
import { readHeadInRoot } from '../../../lib/linux/files/in-root.ts';
import type { Libc } from '../../../lib/linux/libc.ts';
import { RuntimeCreateError } from '../../oci-runner/conmon.ts';
import type { ContainerInfo } from '../container-info.ts';
import { variableName } from '../plan/process.ts';

const ELF_MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
/** e_machine by architecture (elf.h). */
const MACHINES: Readonly<Record<string, number>> = {
  ia32: 3,
  arm: 40,
  x64: 62,
  arm64: 183,
  riscv64: 243,
};
/** Machines whose programs a 64-bit kernel also runs. */
const ALSO_RUN: Readonly<Record<string, readonly number[]>> = { x64: [3], arm64: [40] };

/** The machine type of a program, by its first bytes. */
type ExecutableKind =
  | { readonly kind: 'native-or-unknown' }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'script'; readonly interpreter: string };

/** Bytes that classifyExecutable needs. */
const EXECUTABLE_HEAD = 256;

/** Classifies a program by its first bytes. `machine` is this host's architecture as Node names it. */
export function classifyExecutable(head: Buffer, machine: string): ExecutableKind {
  const script = /^#![ \t]*(\S+)/.exec(head.toString('latin1', 0, EXECUTABLE_HEAD));
  if (script?.[1] !== undefined) return { kind: 'script', interpreter: script[1] };
  const own = MACHINES[machine];
  if (head.length < 20 || !head.subarray(0, 4).equals(ELF_MAGIC) || own === undefined) {
    return { kind: 'native-or-unknown' };
  }
  const machineOfFile = head[5] === 2 ? head.readUInt16BE(18) : head.readUInt16LE(18);
  const runs = machineOfFile === own || ALSO_RUN[machine]?.includes(machineOfFile);
  return runs ? { kind: 'native-or-unknown' } : { kind: 'foreign' };
}

/** Returns the absolute paths where the runtime looks for a command: a path itself, or a name in each folder of PATH. */
export function commandPaths(command: string, cwd: string, env: readonly string[]): readonly string[] {
  if (command.startsWith('/')) return [command];
  if (command.includes('/')) return [`${cwd === '/' ? '' : cwd}/${command}`];
  const path = env.find((entry) => variableName(entry) === 'PATH')?.slice('PATH='.length) ?? '';
  return path
    .split(':')
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => `${folder}/${command}`);
}

/** Maximum nested `#!` scripts, as in the kernel. */
const MAX_SCRIPTS = 4;

/**
 * Refuses a program of another architecture, which runtimes notice only after they have reported a start. Allows it if
 * the kernel has interpreters for foreign programs (binfmt_misc). Throws RuntimeCreateError.
 */
export async function checkExecutable(
  libc: Libc,
  container: ContainerInfo,
  rootfs: string,
  env: readonly string[],
): Promise<void> {
  const cwd = container.config.WorkingDir === '' ? '/' : container.config.WorkingDir;
  for (const found of commandPaths(container.path, cwd, env)) {
    let path = found;
    for (let depth = 0; depth < MAX_SCRIPTS; depth += 1) {
      const head = readHeadInRoot(libc, rootfs, path, EXECUTABLE_HEAD);
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
