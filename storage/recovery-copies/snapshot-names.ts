import type { SideFiles } from '../blobs/side-files.ts';

const SNAPSHOT = /^(\d{4}-\d\d-\d\d)T\d\d-\d\d-\d\d\.\d{3}Z\.jsonl$/;

/** The file of a snapshot that was taken at `time`; names sort by time. */
export function snapshotName(time: Date): string {
  return `${time.toISOString().replaceAll(':', '-')}.jsonl`;
}

/** When a snapshot was taken, as RFC 3339 has it. */
export function snapshotTime(name: string): string {
  const [day, time = ''] = name.replace('.jsonl', '').split('T');
  return `${day}T${time.replaceAll('-', ':')}`;
}

/** The snapshots in a folder, the latest first. */
export async function listSnapshots(files: SideFiles, folder: string): Promise<readonly string[]> {
  const names = await files.list(folder);
  return names
    .filter((name) => SNAPSHOT.test(name))
    .sort()
    .reverse();
}

/** How many snapshots stay. */
export interface SnapshotsKept {
  readonly latest: number;
  /** The last one of each of so many days on which there was one. */
  readonly days: number;
}

/** Returns those of `names`, latest first, that are no longer needed. */
export function outdated(names: readonly string[], { latest, days }: SnapshotsKept): readonly string[] {
  const ofDay = new Map<string, string>();
  for (const name of names) {
    const day = SNAPSHOT.exec(name)?.[1] ?? name;
    if (!ofDay.has(day)) ofDay.set(day, name);
  }
  const kept = new Set([...names.slice(0, latest), ...[...ofDay.values()].slice(0, days)]);
  return names.filter((name) => !kept.has(name));
}
