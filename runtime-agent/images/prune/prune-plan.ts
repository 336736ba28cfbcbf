import type { Image } from '../image.ts';

/** Which images `docker image prune` takes. */
export interface ImagePruning {
  /** Only those without a tag; else all that no container uses. */
  readonly danglingOnly: boolean;
  /** Milliseconds since 1970: images made later stay. */
  readonly until?: number;
  /** Of the labels of an image. */
  readonly matches: (labels: Readonly<Record<string, string>>) => boolean;
}

/** Returns the images to remove, in order; `used` has the IDs of images that a container or a pending image uses. */
export function planPrune(
  images: readonly Image[],
  pruning: ImagePruning,
  used: ReadonlySet<string>,
): readonly Image[] {
  const { danglingOnly, until, matches } = pruning;
  return images.filter((image) => {
    if (used.has(image.id) || (danglingOnly && image.repoTags.length > 0)) return false;
    // As dockerd: what does not say when it was made is not taken by its age.
    const created = image.created === undefined ? Number.NaN : Date.parse(image.created);
    if (until !== undefined && !(created <= until)) return false;
    return matches(image.config.Labels ?? {});
  });
}
