import type { Digest } from '../../../../storage/oci/digest.ts';
import { fullReference, type ImageReference } from '../../../../storage/oci/image-reference.ts';
import type { Images } from '../../../images/images.ts';
import type { InternalStep } from '../../internal-step.ts';

/** Names a built image. */
export async function exportImage(
  images: Images,
  id: Digest,
  names: readonly ImageReference[],
  step: InternalStep,
): Promise<void> {
  step.did(`writing image ${id}`);
  for (const name of names.map(fullReference)) {
    await images.tag(id, name);
    step.did(`naming to ${name}`);
  }
}
