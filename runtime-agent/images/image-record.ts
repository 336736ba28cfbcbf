import type { Digest } from '../../oci/digest.ts';
import type { ImageConfig } from '../../oci/image-config.ts';
import { familiarReference } from '../../oci/reference.ts';
import type { Image } from './image.ts';

/** A name that a user gave an image: a repository of a registry, with a tag or the digest that was pulled. */
export type ImageName = TagName | DigestName;

export interface TagName {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
}

export interface DigestName {
  readonly registry: string;
  readonly repository: string;
  readonly digest: Digest;
}

export function isTagName(name: ImageName): name is TagName {
  return 'tag' in name;
}

export function isSameRepository(a: ImageName, b: ImageName): boolean {
  return a.registry === b.registry && a.repository === b.repository;
}

/** An image as the catalog keeps it. */
export interface ImageRecord {
  /** Digest of the configuration. */
  readonly id: Digest;
  readonly manifestDigest: Digest;
  /** Bytes of the uncompressed layers. */
  readonly size: number;
  /** Sorted by their full form, the registry first. */
  readonly names: readonly ImageName[];
  readonly config: ImageConfig;
  /** The image that it was committed on, while that is here. */
  readonly parent?: Digest;
  /** When it was last given a tag by hand, in milliseconds since 1970. */
  readonly taggedAt?: number;
}

/** What the rest of the agent sees of it. */
export function imageOfRecord(record: ImageRecord): Image {
  const { config } = record;
  const shown = (wanted: boolean) =>
    record.names.filter((name) => isTagName(name) === wanted).map(familiarReference);
  return {
    id: record.id,
    manifestDigest: record.manifestDigest,
    platform: {
      os: config.os,
      architecture: config.architecture,
      ...(config.variant && { variant: config.variant }),
    },
    config: config.config,
    diffIds: config.diffIds,
    ...(config.created && { created: config.created }),
    ...(config.author && { author: config.author }),
    history: config.history,
    size: record.size,
    ...(record.taggedAt !== undefined && { lastTagTime: new Date(record.taggedAt).toISOString() }),
    ...(record.parent && { parent: record.parent }),
    repoTags: shown(true),
    repoDigests: shown(false),
  };
}
