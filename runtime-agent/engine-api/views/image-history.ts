import type { Image } from '../../images/image.ts';
import { createdSeconds } from './image-summary.ts';

/** `GET /images/{name}/history`, the newest first; `sizes` are bytes of each layer, the lowest first. */
export function imageHistory(image: Image, sizes: readonly number[]): readonly object[] {
  let layer = 0;
  const rows = image.history.map((entry) => ({
    Id: '<missing>',
    Created: createdSeconds(entry),
    CreatedBy: entry.created_by ?? '',
    Tags: null as readonly string[] | null,
    Size: entry.empty_layer === true ? 0 : (sizes[layer++] ?? 0),
    Comment: entry.comment ?? '',
  }));
  const newest = rows.at(-1);
  if (newest !== undefined) {
    newest.Id = image.id;
    newest.Tags = image.repoTags.length === 0 ? null : image.repoTags;
  }
  return rows.reverse();
}
