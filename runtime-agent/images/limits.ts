import { MAX_OVERLAY_LAYERS } from '../../lib/linux/mount/mount-overlay.ts';

/** Layers whose bytes are fetched at once from one registry, over all pulls (dockerd's max-concurrent-downloads, which is for all registries). */
export const MAX_LAYER_DOWNLOADS = 3;

/** Layers of one registry that are extracted at once, over all pulls, also while they are fetched: extraction waits for the device most of its time. */
export const MAX_LAYER_EXTRACTIONS = 8;

/** Layers that are pushed to one registry at once, over all pushes (dockerd's max-concurrent-uploads). */
export const MAX_LAYER_UPLOADS = 5;

/** Layers of an image, as many as the kernel can mount over each other. */
export const MAX_IMAGE_LAYERS = MAX_OVERLAY_LAYERS;
