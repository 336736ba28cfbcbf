import type { Platform } from '../../../images/image.ts';
import { platformText } from '../../../images/platform.ts';
import type { BuiltImage } from '../../builder.ts';
import type { SolvedImage } from '../builds/build.ts';

export type Built = Pick<BuiltImage, 'id' | 'baseLayers'> & { readonly platform: Platform };

/** The result of a build: one image, or one for each platform. */
export interface BuiltImages {
  /** The image for this host first, if there is one. */
  readonly all: readonly [Built, ...Built[]];
  /** Whether they are to be an index. */
  readonly isIndex: boolean;
}

/** Returns undefined when nothing was built. The order does not depend on the client's names. */
export function builtImages(solved: readonly SolvedImage[], host: Platform): BuiltImages | undefined {
  const sorted = [...solved].sort((a, b) => (platformText(a.platform) < platformText(b.platform) ? -1 : 1));
  const own =
    sorted.find(({ platform }) => platform.os === host.os && platform.architecture === host.architecture) ??
    sorted[0];
  if (own === undefined) return undefined;
  const others = sorted.filter((each) => each !== own);
  const built = ({ image, platform }: SolvedImage): Built => ({
    id: image.id,
    baseLayers: image.baseLayers,
    platform,
  });
  return {
    all: [built(own), ...others.map(built)],
    isIndex: others.length > 0 || own.isIndexed,
  };
}
