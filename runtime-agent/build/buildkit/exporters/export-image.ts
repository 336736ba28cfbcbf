import { fullReference } from '../../../../storage/oci/image-reference.ts';
import { EngineError } from '../../../errors.ts';
import type { Images } from '../../../images/images.ts';
import { readReference } from '../../../images/read-reference.ts';
import type { BuildProgress } from '../../builder.ts';
import type { SolvedImage } from '../control/build.ts';
import { internalStep } from '../source/internal-step.ts';

/** Names a built image; answers what BuildKit's clients read: `containerimage.config.digest` is the image ID. */
export async function exportImage(
  images: Images,
  solved: readonly SolvedImage[],
  names: readonly string[],
  progress: (step: BuildProgress) => void,
): Promise<Readonly<Record<string, string>>> {
  const [first] = solved;
  if (first === undefined) return {};
  if (solved.length > 1) {
    throw new EngineError(
      'bad-request',
      'an image of several platforms cannot be kept on this host: build one',
    );
  }
  const { id } = first.image;
  return await internalStep('exporting to image', progress, async (step) => {
    step.did(`writing image ${id}`);
    const full = names.map((name) => fullReference(readReference(name)));
    for (const name of full) {
      await images.tag(id, name);
      step.did(`naming to ${name}`);
    }
    return {
      // Clients compare it with the image ID, which with this agent is the digest of the configuration.
      'containerimage.digest': id,
      'containerimage.config.digest': id,
      ...(full.length === 0 ? {} : { 'image.name': full.join(',') }),
    };
  });
}
