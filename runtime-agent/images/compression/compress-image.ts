import type { Digest } from '../../../oci/digest.ts';
import type { Images } from '../images.ts';
import type { PendingImages } from '../pending/pending-images.ts';
import { imageManifest } from '../pending/plain-manifest.ts';
import type { LayerCompressor, WantedForms } from './layer-compressor.ts';

export interface CompressImageContext {
  readonly images: Pick<Images, 'get'>;
  readonly pendingImages: PendingImages;
  readonly compressor: LayerCompressor;
}

/**
 * Gives an image of this host a manifest whose layers have the wanted forms, which later pushes use. Throws EngineError
 * 'storage-full', 'not-found'.
 */
export async function compressImage(
  { images, pendingImages, compressor }: CompressImageContext,
  id: Digest,
  wanted: Omit<WantedForms, 'diffIds' | 'isRead'>,
): Promise<void> {
  const pending = pendingImages.begin();
  try {
    const { diffIds } = await images.get(id);
    await pending.keepLayers(diffIds);
    const forms = await compressor.forms({ ...wanted, diffIds, isRead: false });
    const config = await pendingImages.readConfig(id);
    const layers = diffIds.flatMap((diffId) => forms.get(diffId) ?? []);
    await pending.finish({ config, manifest: imageManifest({ digest: id, size: config.length }, layers) });
  } finally {
    await pending.release();
  }
}
