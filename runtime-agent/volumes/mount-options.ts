import type { MountFlag } from '../../lib/linux/mount/mount.ts';

/** The option `o` of a volume, parsed for mount(2). */
export interface MountOptions {
  readonly flags: readonly MountFlag[];
  /** The file system's own options. */
  readonly data: string;
}

const SET: Readonly<Record<string, readonly MountFlag[]>> = {
  ro: ['ro'],
  nosuid: ['nosuid'],
  nodev: ['nodev'],
  noexec: ['noexec'],
  sync: ['sync'],
  dirsync: ['dirsync'],
  noatime: ['noatime'],
  nodiratime: ['nodiratime'],
  relatime: ['relatime'],
  strictatime: ['strictatime'],
  bind: ['bind'],
  rbind: ['bind', 'recursive'],
};

/** Options that clear a flag, or state a default. */
const CLEARED: Readonly<Record<string, MountFlag | undefined>> = {
  defaults: undefined,
  rw: 'ro',
  suid: 'nosuid',
  dev: 'nodev',
  exec: 'noexec',
  async: 'sync',
  atime: 'noatime',
  diratime: 'nodiratime',
  norelatime: 'relatime',
  nostrictatime: 'strictatime',
};

/** Parses the options of mount(8) that dockerd knows; all others go to the file system. */
export function parseMountOptions(text: string): MountOptions {
  const flags = new Set<MountFlag>();
  const data: string[] = [];
  for (const word of text.split(',')) {
    if (word === '') continue;
    if (Object.hasOwn(SET, word)) for (const flag of SET[word] ?? []) flags.add(flag);
    else if (Object.hasOwn(CLEARED, word)) {
      const cleared = CLEARED[word];
      if (cleared !== undefined) flags.delete(cleared);
    } else data.push(word);
  }
  return { flags: [...flags], data: data.join(',') };
}
