import { readFile } from 'node:fs/promises';
import { runCommand } from './run-command.ts';

/** Mount points at or below `directory` in this mount namespace, the deepest and latest first. */
export async function mountsUnder(directory: string): Promise<readonly string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return table
    .split('\n')
    .map((line) => decodeOctal(line.split(' ')[4] ?? ''))
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
    .reverse();
}

/** Unmounts everything at or below `directory`. Throws when a mount stays. */
export async function unmountUnder(directory: string): Promise<void> {
  for (const point of await mountsUnder(directory)) {
    await runCommand('umount', ['--lazy', point], { expectExit: 'any' });
  }
  const left = await mountsUnder(directory);
  if (left.length > 0) throw new Error(`still mounted below ${directory}: ${left.join(', ')}`);
}

/** proc(5): space, tab, newline and backslash are written as a backslash and three octal digits. */
function decodeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
