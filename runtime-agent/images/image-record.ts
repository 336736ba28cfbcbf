import { type Digest, isDigest } from '../../oci/digest.ts';
import { readReference } from '../../oci/distribution/errors.ts';
import type { ImageConfig } from '../../oci/image-config.ts';
import { familiarReference, type ImageReference } from '../../oci/reference.ts';
import { EngineError, isEngineError } from '../errors.ts';
import type { Image } from './image.ts';

/** A name of an image: a repository of a registry, with a tag or the digest that was pulled. */
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

/** An image as the catalog stores it. */
export interface ImageRecord {
  /** Digest of the configuration. */
  readonly id: Digest;
  readonly manifestDigest: Digest;
  /** Bytes of the uncompressed layers. */
  readonly size: number;
  /** Sorted by their full form, registry first. */
  readonly names: readonly ImageName[];
  readonly config: ImageConfig;
  /** The parent image of a commit, while it exists here. */
  readonly parent?: Digest;
  /** Time of the last `docker tag`, in milliseconds since 1970. */
  readonly taggedAt?: number;
}

/** Converts a record for the rest of the agent. */
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

/** An image, and the name by which it was found. */
export interface FoundImage {
  readonly record: ImageRecord;
  /** The name of the requested image; absent if it was requested by ID. */
  readonly name?: ImageName;
}

/**
 * Finds the image that `text` names, in docker's order: a whole ID, a reference (`latest` without a tag), a prefix of
 * an ID. Throws EngineError 'not-found', and 'bad-request' for an ambiguous prefix.
 */
export function findImage(records: readonly ImageRecord[], text: string): FoundImage {
  const whole = /^[0-9a-f]{64}$/.test(text) ? `sha256:${text}` : text;
  if (isDigest(whole)) {
    const record = records.find(({ id }) => id === whole);
    if (record === undefined) throw new EngineError('not-found', `No such image: ${whole}`);
    return { record };
  }
  const reference = tryReference(text);
  if (reference !== undefined) {
    for (const record of records) {
      const name = record.names.find((candidate) => isNamedBy(candidate, reference));
      if (name !== undefined) return { record, name };
    }
  }
  const prefix = /^(?:sha256:)?([0-9a-f]{1,63})$/.exec(text)?.[1];
  const matches = prefix === undefined ? [] : records.filter(({ id }) => id.startsWith(`sha256:${prefix}`));
  if (matches.length > 1) {
    throw new EngineError('bad-request', `${text} is a prefix of several image IDs: give more digits`);
  }
  const [record] = matches;
  if (record !== undefined) return { record };
  if (reference === undefined) throw new EngineError('bad-request', 'invalid reference format');
  throw new EngineError('not-found', `No such image: ${familiarReference(reference)}`);
}

/** `name:tag@digest` is resolved by the digest alone. */
function isNamedBy(name: ImageName, reference: ImageReference): boolean {
  if (name.registry !== reference.registry || name.repository !== reference.repository) return false;
  if (isTagName(name)) return reference.digest === undefined && name.tag === reference.tag;
  return name.digest === reference.digest;
}

function tryReference(text: string): ImageReference | undefined {
  try {
    return readReference(text);
  } catch (error) {
    if (isEngineError(error)) return undefined;
    throw error;
  }
}
