import type { Digest } from '../../../oci/digest.ts';
import { shortDigest } from '../../images/pull-plan.ts';
import type { LayerProgress } from '../cache/remote/remote-cache.ts';
import type { InternalStep } from '../internal-step.ts';

/** Shows the bytes of layers on a step: `writing layer 0123456789ab`. */
export function layerProgress(step: InternalStep, what: string): LayerProgress {
  return (diffId: Digest, current: number) => step.transferred(`${what} ${shortDigest(diffId)}`, current);
}
