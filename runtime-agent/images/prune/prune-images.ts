import type { Digest } from '../../../oci/digest.ts';
import { isEngineError } from '../../errors.ts';
import { chainIds } from '../chain-ids.ts';
import type { Image } from '../image.ts';
import type { ImageRemoval, Images, ImageUser } from '../images.ts';

export interface PruneDeps {
  readonly images: Images;
  /** Reports whether this image is being created, or about to be named. */
  readonly isPending: (id: Digest) => boolean;
  /** Reports whether the fleet may need an image; absent for a host that has not joined. */
  readonly isKept?: (image: Image) => boolean;
  /** Bytes of a layer's files. */
  readonly layerSize: (diffId: Digest) => Promise<number>;
}

/** The result of a prune, with the bytes of the removed layers. */
export interface PruneResult {
  readonly removals: readonly ImageRemoval[];
  readonly reclaimed: number;
}

/** Removes unused images, with all their names; one that is in use by then stays. */
export async function pruneImages(
  deps: PruneDeps,
  pruning: ImagePruning,
  users: readonly ImageUser[],
): Promise<PruneResult> {
  const { images } = deps;
  const all = await images.list();
  const pending = all.filter((image) => deps.isPending(image.id) || deps.isKept?.(image)).map(({ id }) => id);
  const used = new Set<string>([...users.map(({ imageId }) => imageId), ...pending]);
  const removals: ImageRemoval[] = [];
  let reclaimed = 0;
  for (const image of planPrune(all, pruning, used)) {
    const sizes = new Map<string, number>();
    for (const [index, chainId] of chainIds(image.diffIds).entries()) {
      sizes.set(chainId, await deps.layerSize(image.diffIds[index] as Digest));
    }
    // The names are removed first: an ID with several is not removed without force.
    const names = [...image.repoTags, ...image.repoDigests.filter((name) => isAlone(name, image.repoTags))];
    for (const name of names.length === 0 ? [image.id] : names) {
      const done = await images.remove(name, { force: false, users }).catch(unlessInUse);
      removals.push(...done);
      for (const removal of done) if ('deleted' in removal) reclaimed += sizes.get(removal.deleted) ?? 0;
    }
  }
  return { removals, reclaimed };
}

/** Reports whether a digest has no tag in its repository; others are removed with the last tag there. */
function isAlone(digestName: string, tags: readonly string[]): boolean {
  const repository = digestName.slice(0, digestName.indexOf('@'));
  return !tags.some((tag) => tag.slice(0, tag.lastIndexOf(':')) === repository);
}

function unlessInUse(error: unknown): readonly ImageRemoval[] {
  if (isEngineError(error) && (error.code === 'conflict' || error.code === 'not-found')) return [];
  throw error;
}

/** Selects the images that `docker image prune` removes. */
interface ImagePruning {
  /** Whether only images without a tag are removed; otherwise all that no container uses. */
  readonly danglingOnly: boolean;
  /** Milliseconds since 1970: images made later stay. */
  readonly until?: number;
  /** Filters by the labels of an image. */
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
    // As in dockerd: an image without a creation time is not pruned by age.
    const created = image.created === undefined ? Number.NaN : Date.parse(image.created);
    if (until !== undefined && !(created <= until)) return false;
    return matches(image.config.Labels ?? {});
  });
}
