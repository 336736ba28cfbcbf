import type { SideFiles } from '../blobs/side-files.ts';
import { listSnapshots, outdated, type SnapshotsKept, snapshotName } from './snapshot-names.ts';

/** Characters per write. */
const PIECE = 256 * 1024;

export interface SnapshotRun {
  readonly files: SideFiles;
  readonly folder: string;
  /** Each object becomes a line of JSON. */
  readonly lines: AsyncIterable<object> | Iterable<object>;
  readonly kept: SnapshotsKept;
  readonly signal?: AbortSignal | undefined;
}

/** Writes a new snapshot atomically, and deletes those that are no longer needed. Returns its name. */
export async function writeSnapshot({ files, folder, lines, kept, signal }: SnapshotRun): Promise<string> {
  const name = snapshotName(new Date());
  await files.write(folder, name, piecesOf(lines, signal));
  for (const old of outdated(await listSnapshots(files, folder), kept)) await files.remove(folder, old);
  return name;
}

/** Yields the text; the last line proves that none is missing. */
async function* piecesOf(
  lines: AsyncIterable<object> | Iterable<object>,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void, undefined> {
  let count = 0;
  let piece = '';
  for await (const line of lines) {
    piece += `${JSON.stringify(line)}\n`;
    count += 1;
    if (piece.length < PIECE) continue;
    signal?.throwIfAborted();
    yield piece;
    piece = '';
  }
  yield `${piece}${JSON.stringify({ end: count })}\n`;
}
