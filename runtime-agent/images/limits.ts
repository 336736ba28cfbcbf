import { MAX_OVERLAY_LAYERS } from '../../lib/linux/mount/mount-overlay.ts';

/**
 * Maximum concurrent layer downloads from one registry, over all pulls (dockerd's max-concurrent-downloads applies to
 * all registries).
 */
export const MAX_LAYER_DOWNLOADS = 3;

/**
 * Maximum concurrent layer extractions per registry, over all pulls, including those still downloading: extraction
 * mostly waits for the device.
 */
export const MAX_LAYER_EXTRACTIONS = 8;

/** Maximum concurrent layer uploads to one registry, over all pushes (dockerd's max-concurrent-uploads). */
export const MAX_LAYER_UPLOADS = 5;

/** Maximum layers of an image: as many as the kernel can mount over each other. */
export const MAX_IMAGE_LAYERS = MAX_OVERLAY_LAYERS;
