import { isDigest } from '../../oci/digest.ts';
import type { JsonObject } from '../../oci/json.ts';
import { isRepositoryName, isTag } from '../../oci/reference.ts';
import type { NameLine } from '../catalog/catalog.ts';

/** Folder of the snapshots of names, beside the blobs. */
export const NAMES_FOLDER = 'names';
export const NAMES_KEPT = { latest: 3, days: 0 };

/** Parses a line of such a snapshot. */
export function readNameLine({
  repository,
  description,
  manifest,
  mediaType,
  tag,
}: JsonObject): NameLine | undefined {
  if (typeof repository !== 'string' || !isRepositoryName(repository)) return undefined;
  if (typeof description === 'string') return { repository, description };
  if (typeof manifest !== 'string' || !isDigest(manifest)) return undefined;
  if (typeof mediaType === 'string') return { repository, manifest, mediaType };
  return typeof tag === 'string' && isTag(tag) ? { repository, manifest, tag } : undefined;
}
