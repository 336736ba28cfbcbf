/** One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), its octal escapes undone. */
export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  /** The folder of the file system that is seen here. */
  readonly root: string;
  readonly mountPoint: string;
  /** Of this mount: `ro`, `nodev` … */
  readonly options: readonly string[];
  /** Mounts made here appear in the other namespaces that share it (shared). */
  readonly isShared: boolean;
  /** Mounts made at its master appear here (slave). */
  readonly isSlave: boolean;
  readonly type: string;
  readonly source: string;
  /** Of the file system, as it prints them. */
  readonly superOptions: string;
}

/** Reads the text of /proc/self/mountinfo; a later entry for a mount point covers an earlier one. */
export function parseMountInfo(text: string): readonly MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const separator = line.indexOf(' - ');
    if (separator < 0) continue;
    const [id, parentId, , root, mountPoint, options, ...tags] = line.slice(0, separator).split(' ');
    const [type, source, superOptions] = line.slice(separator + 3).split(' ');
    if (root === undefined || mountPoint === undefined) continue;
    entries.push({
      id: Number(id),
      parentId: Number(parentId),
      root: unescapeOctal(root),
      mountPoint: unescapeOctal(mountPoint),
      options: (options ?? '').split(','),
      isShared: tags.some((tag) => tag.startsWith('shared:')),
      isSlave: tags.some((tag) => tag.startsWith('master:')),
      type: type ?? '',
      source: unescapeOctal(source ?? ''),
      superOptions: superOptions ?? '',
    });
  }
  return entries;
}

/** The kernel writes space, tab, line feed and backslash as three octal digits, byte by byte. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
