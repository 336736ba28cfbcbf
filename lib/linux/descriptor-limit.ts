import { readFileSync } from 'node:fs';

/** The soft RLIMIT_NOFILE of this process; a common default where the system does not tell. */
export function descriptorLimit(): number {
  try {
    const [, soft = ''] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === '' ? 1024 : Number(soft);
  } catch {
    return 1024;
  }
}
