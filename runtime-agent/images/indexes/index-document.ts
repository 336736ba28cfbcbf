import type { Digest } from '../../../oci/digest.ts';
import { MEDIA_TYPES } from '../../../oci/media-types.ts';
import type { Platform } from '../image.ts';
import { sha256 } from '../pending/plain-manifest.ts';

/** An image of an index. */
export interface IndexMember {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform: Platform;
}

/** Returns the index of images of several platforms (image-spec, image-index.md), and its digest. */
export function indexDocument(members: readonly IndexMember[]): {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly mediaType: string;
} {
  const mediaType = MEDIA_TYPES.ociIndex;
  const manifests = members.map(({ mediaType, digest, size, platform }) => ({
    mediaType,
    digest,
    size,
    platform: {
      architecture: platform.architecture,
      os: platform.os,
      ...(platform.variant ? { variant: platform.variant } : {}),
    },
  }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  return { digest: sha256(bytes), bytes, mediaType };
}
