import type { StoredFile } from '../blob-driver.ts';
import { type ObjectKeys, parseName } from './object-keys.ts';
import type { ListedObject, S3Bucket } from './s3-bucket.ts';

/** The objects of one upload. */
export interface Group {
  readonly uploadId: string;
  readonly objects: ReadonlyMap<string, ListedObject>;
}

/** Yields all groups whose keys begin with `prefix`, from one listing. */
export async function* listGroups(
  bucket: S3Bucket,
  keys: ObjectKeys,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Group, void, undefined> {
  let objects = new Map<string, ListedObject>();
  let current = '';
  for await (const object of bucket.list(prefix, signal)) {
    const parsed = keys.parse(object.key);
    if (parsed === undefined) continue;
    if (parsed.uploadId !== current && objects.size > 0) {
      yield { uploadId: current, objects };
      objects = new Map();
    }
    current = parsed.uploadId;
    objects.set(parsed.name, object);
  }
  if (objects.size > 0) yield { uploadId: current, objects };
}

/** Returns the blobs in a group: content with a marker. */
export function blobsOf({ uploadId, objects }: Group): readonly StoredFile[] {
  const files: StoredFile[] = [];
  for (const [name, { modifiedAt }] of objects) {
    const parsed = parseName(name);
    if (parsed.kind !== 'marker' && parsed.kind !== 'whole') continue;
    const contentName = parsed.kind === 'whole' ? name : parsed.content;
    const content = objects.get(contentName);
    if (content === undefined) continue;
    const location = `${uploadId}/${contentName}`;
    files.push({ digest: parsed.digest, size: content.size, location, uploadId, storedAt: modifiedAt });
  }
  return files;
}

/** Returns the keys of objects in a group that belong to no blob. */
export function leftoversOf(group: Group): readonly string[] {
  const kept = new Set(blobsOf(group).map(({ location }) => location.slice(group.uploadId.length + 1)));
  return [...group.objects]
    .filter(([name]) => {
      const parsed = parseName(name);
      if (parsed.kind === 'other') return true;
      return !kept.has(parsed.kind === 'marker' ? parsed.content : name);
    })
    .map(([, { key }]) => key);
}

/** Returns the time when something was last stored in a group. */
export function touchedAt({ objects }: Group): Date {
  return new Date(Math.max(...[...objects.values()].map(({ modifiedAt }) => modifiedAt.getTime())));
}
