import type { SideFiles } from '../blobs/side-files.ts';

const SNAPSHOT = /^(\d{4}-\d\d-\d\d)T\d\d-\d\d-\d\d\.\d{3}Z\.jsonl$/;

/** Returns the file name of a snapshot taken at `time`; names sort by time. */
export function snapshotName(time: Date): string {
  return `${time.toISOString().replaceAll(':', '-')}.jsonl`;
}

/** Returns the time of a snapshot in RFC 3339. */
export function snapshotTime(name: string): string {
  const [day, time = ''] = name.replace('.jsonl', '').split('T');
  return `${day}T${time.replaceAll('-', ':')}`;
}

/** Lists the snapshots in a folder, the latest first. */
export async function listSnapshots(files: SideFiles, folder: string): Promise<readonly string[]> {
  const names = await files.list(folder);
  return names
    .filter((name) => SNAPSHOT.test(name))
    .sort()
    .reverse();
}

/** How many snapshots are kept. */
export interface SnapshotsKept {
  readonly latest: number;
  /** Number of days for which the last snapshot of the day is kept, counting days with a snapshot. */
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
