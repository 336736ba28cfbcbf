import { MAX_OVERLAY_LAYERS } from '../../lib/linux/mount/mount-overlay.ts';

/** Layers whose bytes are fetched at once, over all pulls (dockerd's max-concurrent-downloads). */
export const MAX_LAYER_DOWNLOADS = 3;

/** Layers that are extracted at once, over all pulls, also while they are fetched: extraction waits for the device most of its time. */
export const MAX_LAYER_EXTRACTIONS = 8;

/** Layers that are pushed at once, over all pushes (dockerd's max-concurrent-uploads). */
export const MAX_LAYER_UPLOADS = 5;

/** Layers of an image, as many as the kernel can mount over each other. */
export const MAX_IMAGE_LAYERS = MAX_OVERLAY_LAYERS;
