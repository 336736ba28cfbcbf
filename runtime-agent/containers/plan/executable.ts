import { variableName } from './command.ts';

const ELF_MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
/** e_machine by architecture (elf.h). */
const MACHINES: Readonly<Record<string, number>> = {
  ia32: 3,
  arm: 40,
  x64: 62,
  arm64: 183,
  riscv64: 243,
};
/** Machines whose programs a 64-bit kernel runs as well. */
const ALSO_RUN: Readonly<Record<string, readonly number[]>> = { x64: [3], arm64: [40] };

/** What the first bytes of a program say about who can run it. */
export type ExecutableKind =
  | { readonly kind: 'native-or-unknown' }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'script'; readonly interpreter: string };

/** How many bytes classifyExecutable wants. */
export const EXECUTABLE_HEAD = 256;

/** `machine` is this host's as Node names it. */
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

/** Where the runtime looks for a command: a path as it is, a name in the folders of PATH. Absolute paths. */
export function commandPaths(command: string, cwd: string, env: readonly string[]): readonly string[] {
  if (command.startsWith('/')) return [command];
  if (command.includes('/')) return [`${cwd === '/' ? '' : cwd}/${command}`];
  const path = env.find((entry) => variableName(entry) === 'PATH')?.slice('PATH='.length) ?? '';
  return path
    .split(':')
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => `${folder}/${command}`);
}
