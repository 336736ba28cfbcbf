import type { Image } from '../../images/image.ts';

/** One element of `GET /images/json` (Engine API, ImageSummary); `names` are the tags and digests to show. */
export function imageSummary(
  image: Image,
  names: { readonly repoTags: readonly string[]; readonly repoDigests: readonly string[] },
): object {
  return {
    Containers: -1,
    Created: createdSeconds(image),
    Id: image.id,
    Labels: image.config.Labels ?? null,
    ParentId: image.parent ?? '',
    RepoDigests: names.repoDigests,
    RepoTags: names.repoTags,
    SharedSize: -1,
    Size: image.size,
  };
}

/** Seconds since 1970; 0 for an image without a creation time. */
export function createdSeconds(image: { readonly created?: string }): number {
  return Math.floor(createdMilliseconds(image) / 1000);
}

export function createdMilliseconds(image: { readonly created?: string }): number {
  const milliseconds = image.created === undefined ? 0 : Date.parse(image.created);
  return Number.isNaN(milliseconds) ? 0 : milliseconds;
}

/** A duplicate of the size in answers before version 1.44. */
export function virtualSize(image: { readonly size: number }, isOld: boolean): object {
  return isOld ? { VirtualSize: image.size } : {};
}
