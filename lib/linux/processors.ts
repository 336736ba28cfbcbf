import { readFile } from 'node:fs/promises';

/** Returns the processors that this process may use, in the form of taskset(1): `['0', '1', '4']`. */
export async function readProcessors(): Promise<readonly string[]> {
  const status = await readFile('/proc/self/status', 'utf8');
  return parseProcessorList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '');
}

/** Parses a list of numbers and ranges such as `0-2,4` (cpuset(7), "List format"). */
export function parseProcessorList(text: string): readonly string[] {
  return text.split(',').flatMap((part) => {
    const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (from === undefined) return [];
    const first = Number(from);
    const count = Math.max(0, Number(to ?? from) - first + 1);
    return Array.from({ length: count }, (_, index) => String(first + index));
  });
}
