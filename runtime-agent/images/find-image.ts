import { isDigest } from '../../oci/digest.ts';
import { readReference } from '../../oci/distribution/errors.ts';
import { familiarReference, type ImageReference } from '../../oci/reference.ts';
import { EngineError, isEngineError } from '../errors.ts';
import { type ImageName, type ImageRecord, isTagName } from './image-record.ts';

/** An image, and how it was named. */
export interface FoundImage {
  readonly record: ImageRecord;
  /** The name of the image that was meant; absent where it was named by ID. */
  readonly name?: ImageName;
}

/**
 * Finds what a user means by `text`, in docker's order: a whole ID, a reference (`latest` where it has no tag), a
 * prefix of an ID. Throws EngineError 'not-found', and 'bad-request' for a prefix of several IDs.
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
    throw new EngineError('bad-request', `${text} is the beginning of several image IDs: give more digits`);
  }
  const [record] = matches;
  if (record !== undefined) return { record };
  if (reference === undefined) throw new EngineError('bad-request', 'invalid reference format');
  throw new EngineError('not-found', `No such image: ${familiarReference(reference)}`);
}

/** `name:tag@digest` means what has the digest; the tag says nothing then. */
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
