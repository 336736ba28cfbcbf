import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';
import { MAX_IMAGE_LAYERS } from './limits.ts';

/** A layer of an image: where its bytes are, and what they are. */
export interface PlannedLayer {
  readonly blob: Descriptor;
  readonly diffId: Digest;
}

const LAYER_TYPE =
  /^application\/vnd\.(?:oci\.image\.layer\.|docker\.image\.rootfs\.)[a-z0-9.]*tar(?:[.+](?:gzip|zstd))?$/;

/**
 * Pairs the layers of a manifest with the diff IDs of its configuration, the lowest first, each diff ID once. Throws
 * EngineError 'bad-request' when they do not belong together or a layer is of a type that cannot be a file system.
 */
export function planLayers(
  layers: readonly Descriptor[],
  diffIds: readonly Digest[],
): readonly PlannedLayer[] {
  if (layers.length !== diffIds.length) {
    throw new EngineError(
      'bad-request',
      `the image is broken: its manifest has ${layers.length} layers and its configuration ${diffIds.length}`,
    );
  }
  checkLayerCount(layers.length);
  const planned = new Map<Digest, PlannedLayer>();
  for (const [index, blob] of layers.entries()) {
    if (!LAYER_TYPE.test(blob.mediaType)) {
      throw new EngineError(
        'bad-request',
        `layer ${blob.digest} is of the type ${blob.mediaType}, which is no layer of a container image`,
      );
    }
    const diffId = diffIds[index] as Digest;
    if (!planned.has(diffId)) planned.set(diffId, { blob, diffId });
  }
  return [...planned.values()];
}

/** Refuses an image before its layers are fetched that could not run with them. Throws EngineError 'bad-request'. */
export function checkLayerCount(count: number): void {
  if (count <= MAX_IMAGE_LAYERS) return;
  throw new EngineError(
    'bad-request',
    `the image has ${count} layers, and the kernel can mount ${MAX_IMAGE_LAYERS}: build it again with fewer`,
  );
}

/** The twelve digits by which docker's progress names a layer. */
export function shortDigest(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}
