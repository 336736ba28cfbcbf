import { readFileSync } from 'node:fs';

/** Returns the soft RLIMIT_NOFILE of this process; a common default when it cannot be read. */
export function descriptorLimit(): number {
  try {
    const [, soft = ''] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === '' ? 1024 : Number(soft);
  } catch {
    return 1024;
  }
}
