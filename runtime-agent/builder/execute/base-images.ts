import type { Digest } from '../../../oci/digest.ts';
import { readReference } from '../../../oci/distribution/errors.ts';
import { type ImageConfig, readImageConfig } from '../../../oci/image-config.ts';
import { isEngineError } from '../../errors.ts';
import type { Image, Platform } from '../../images/image.ts';
import type { Images, PullProgress } from '../../images/images.ts';
import type { PendingImages } from '../../images/pending/pending-images.ts';
import { hostPlatform } from '../../images/platform.ts';
import type { BuildSource } from '../builder.ts';

/** A base image, or one that files are copied from; all its layers are on this host. */
export interface BaseImage {
  readonly reference: string;
  readonly id: Digest;
  /** Digest of the registry's answer, if it came from one. */
  readonly digest: Digest;
  readonly config: ImageConfig;
}

export interface BaseImagesOptions {
  readonly images: Images;
  readonly pendingImages: PendingImages;
  readonly source: BuildSource;
  /** Whether to ask the registry even if the image is on this host. */
  readonly pull: boolean;
  readonly progress: (step: PullProgress) => void;
  readonly signal: AbortSignal;
}

/** Finds an image on this host, or pulls it. Throws EngineError. */
export async function findBaseImage(
  reference: string,
  platform: Platform | undefined,
  options: BaseImagesOptions,
): Promise<BaseImage> {
  const image =
    (options.pull ? undefined : await here(reference, platform, options)) ??
    (await pulled(reference, platform, options));
  const config = readImageConfig(await options.pendingImages.readConfig(image.id));
  const [named] = image.repoDigests;
  const digest = named?.slice(named.indexOf('@') + 1) ?? image.manifestDigest;
  return { reference, id: image.id, digest: digest as Digest, config };
}

async function here(
  reference: string,
  platform: Platform | undefined,
  { images }: BaseImagesOptions,
): Promise<Image | undefined> {
  try {
    const image = await images.get(reference);
    if (platform === undefined) return image;
    const { os, architecture, variant } = image.platform;
    const fits =
      os === platform.os &&
      architecture === platform.architecture &&
      (!platform.variant || !variant || variant === platform.variant);
    return fits ? image : undefined;
  } catch (error) {
    if (isEngineError(error) && error.code === 'not-found') return undefined;
    throw error;
  }
}

async function pulled(
  reference: string,
  platform: Platform | undefined,
  { images, source, progress, signal }: BaseImagesOptions,
): Promise<Image> {
  const { registry } = readReference(reference);
  const credentials = await source.credentials(registry, signal);
  return await images.pull(reference, {
    ...(platform === undefined ? {} : { platform }),
    // The tag keeps pointing to an image for this host.
    leavesTag: platform !== undefined && platform.architecture !== hostPlatform().architecture,
    ...(credentials === undefined ? {} : { credentials }),
    progress,
    signal,
  });
}
