import { fullReference, type ImageReference } from '../../../../oci/reference.ts';
import type { Images } from '../../../images/images.ts';
import type { ImageIndexes } from '../../../images/indexes/image-indexes.ts';
import type { InternalStep } from '../../internal-step.ts';
import type { BuiltImages } from './built-images.ts';

/** Names a built image; of several platforms the one that this host runs, and the others go with it wherever it is pushed. */
export async function exportImage(
  images: Pick<Images, 'tag'>,
  indexes: Pick<ImageIndexes, 'put'>,
  { all: [first, ...others], isIndex }: BuiltImages,
  names: readonly ImageReference[],
  step: InternalStep,
): Promise<void> {
  for (const { id } of [first, ...others]) step.did(`writing image ${id}`);
  for (const name of names.map(fullReference)) {
    await images.tag(first.id, name);
    step.did(`naming to ${name}`);
  }
  await indexes.put([first.id, ...others.map(({ id }) => id)], isIndex);
}
