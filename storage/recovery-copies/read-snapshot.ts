import { isJsonObject, type JsonObject } from '../../oci/json.ts';
import type { SideFiles } from '../blobs/side-files.ts';
import { listSnapshots } from './snapshot-names.ts';

export interface Snapshot<Line> {
  /** Its name in the folder. */
  readonly file: string;
  readonly lines: readonly Line[];
}

/**
 * Reads the latest intact snapshot in a folder; `onBroken` gets the others. Undefined when there is none. `readLine`
 * returns undefined for an invalid line.
 */
export async function readLatestSnapshot<Line>(
  files: SideFiles,
  folder: string,
  readLine: (value: JsonObject) => Line | undefined,
  onBroken: (file: string) => void,
): Promise<Snapshot<Line> | undefined> {
  for (const file of await listSnapshots(files, folder)) {
    const lines = parseLines(await files.read(folder, file), readLine);
    if (lines !== undefined) return { file, lines };
    onBroken(file);
  }
  return undefined;
}

function parseLines<Line>(
  text: string,
  readLine: (value: JsonObject) => Line | undefined,
): readonly Line[] | undefined {
  const values: unknown[] = [];
  try {
    for (const line of text.split('\n')) if (line !== '') values.push(JSON.parse(line));
  } catch {
    return undefined;
  }
  const end = values.pop();
  if (!isJsonObject(end) || end.end !== values.length) return undefined;
  const lines = values.flatMap((value) => (isJsonObject(value) ? (readLine(value) ?? []) : []));
  return lines.length === values.length ? lines : undefined;
}
