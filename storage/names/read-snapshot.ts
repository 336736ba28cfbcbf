import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NameLine } from '../catalog/names-catalog.ts';
import { isDigest } from '../oci/digest.ts';
import { isJsonObject, type JsonObject } from '../oci/json-object.ts';
import { isRepositoryName } from '../oci/repository-name.ts';
import { isTag } from '../oci/tag.ts';
import { listSnapshots } from './snapshot-files.ts';

export interface NamesSnapshot {
  readonly file: string;
  readonly lines: readonly NameLine[];
}

/** The latest snapshot of names that is whole; `onBroken` gets those that are not. Undefined when there is none. */
export async function readLatestSnapshot(
  folder: string,
  onBroken: (file: string) => void,
): Promise<NamesSnapshot | undefined> {
  for (const file of await listSnapshots(folder)) {
    const lines = parseLines(await readFile(join(folder, file), 'utf8'));
    if (lines !== undefined) return { file, lines };
    onBroken(file);
  }
  return undefined;
}

function parseLines(text: string): readonly NameLine[] | undefined {
  const values: unknown[] = [];
  try {
    for (const line of text.split('\n')) if (line !== '') values.push(JSON.parse(line));
  } catch {
    return undefined;
  }
  const end = values.pop();
  if (!isJsonObject(end) || end.end !== values.length) return undefined;
  const lines = values.map((value) => (isJsonObject(value) ? readLine(value) : undefined));
  return lines.includes(undefined) ? undefined : (lines as readonly NameLine[]);
}

function readLine({ repository, description, manifest, mediaType, tag }: JsonObject): NameLine | undefined {
  if (typeof repository !== 'string' || !isRepositoryName(repository)) return undefined;
  if (typeof description === 'string') return { repository, description };
  if (typeof manifest !== 'string' || !isDigest(manifest)) return undefined;
  if (typeof mediaType === 'string') return { repository, manifest, mediaType };
  return typeof tag === 'string' && isTag(tag) ? { repository, manifest, tag } : undefined;
}
