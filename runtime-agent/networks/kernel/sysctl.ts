import { readFileSync, writeFileSync } from 'node:fs';

/** A setting of the namespace in which the calling thread is, such as `ipv4/ip_forward`. Undefined where the kernel lacks it. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${name}`, 'latin1').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Does nothing where the kernel lacks the setting, as one without IPv6 does. */
export function writeSysctl(name: string, value: string): void {
  const current = readSysctl(name);
  if (current !== undefined && current !== value) writeFileSync(`/proc/sys/net/${name}`, value);
}
