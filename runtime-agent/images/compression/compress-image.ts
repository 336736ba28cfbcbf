import type { Digest } from '../../../oci/digest.ts';
import type { Images } from '../images.ts';
import type { ImageDrafts } from '../pending/image-drafts.ts';
import { imageManifest } from '../pending/plain-manifest.ts';
import type { LayerCompressor, WantedForms } from './layer-compressor.ts';

export interface CompressImageContext {
  readonly images: Pick<Images, 'get'>;
  readonly drafts: ImageDrafts;
  readonly compressor: LayerCompressor;
}

/**
 * Gives an image of this host a manifest whose layers have the forms that are wanted, so that it is pushed with these. Throws
 * EngineError 'storage-full', 'not-found'.
 */
export async function compressImage(
  { images, drafts, compressor }: CompressImageContext,
  id: Digest,
  wanted: Omit<WantedForms, 'diffIds' | 'isRead'>,
): Promise<void> {
  const draft = drafts.begin();
  try {
    const { diffIds } = await images.get(id);
    await draft.keepLayers(diffIds);
    const forms = await compressor.forms({ ...wanted, diffIds, isRead: false });
    const config = await drafts.readConfig(id);
    const layers = diffIds.flatMap((diffId) => forms.get(diffId) ?? []);
    await draft.finish({ config, manifest: imageManifest({ digest: id, size: config.length }, layers) });
  } finally {
    await draft.release();
  }
}
