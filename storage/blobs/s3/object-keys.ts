import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../../../oci/digest.ts';
import type { StoredBlob } from '../blob-driver.ts';

const UPLOAD_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const CONTENT = /^[0-9a-z]{1,16}$/;
const WHOLE = /^blob\.(sha256|sha512)-([0-9a-f]{64,128})$/;
const MARKER = /^([0-9a-z]{1,16})\.(sha256|sha512)-([0-9a-f]{64,128})$/;

/** Name of the object that marks its upload as being dropped. */
export const TOMBSTONE = 'dropped!';

/** A parsed name within the group of an upload. */
export type ObjectName =
  | { readonly kind: 'content'; readonly name: string }
  /** Marks the content with that name as the content of a digest. The marker has no bytes. */
  | { readonly kind: 'marker'; readonly content: string; readonly digest: Digest }
  /** Content whose own name contains its digest. */
  | { readonly kind: 'whole'; readonly digest: Digest }
  | { readonly kind: 'other' };

/**
 * The keys of a storage's objects. All objects of an upload have one prefix, its group, so that a listing returns them
 * together:
 *
 *     blobs/<upload id>/<name>                       content: a blob, or the bytes of an upload so far
 *     blobs/<upload id>/<name>.<algorithm>-<hex>     the marker that makes that content the blob of a digest
 *     blobs/<upload id>/blob.<algorithm>-<hex>       a small blob, stored with its digest: its own marker
 *     quarantine/<hex>.<upload id>.<name>            a damaged blob
 *     <folder>/<name>                                side files
 *
 * Upload ids are random, so keys are spread evenly. A location is `<upload id>/<name>`.
 */
export class ObjectKeys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The prefix of all groups. */
  get groups(): string {
    return `${this.#prefix}blobs/`;
  }

  /** Returns the prefix of the objects of one upload. */
  group(uploadId: string): string {
    return `${this.groups}${uploadId}/`;
  }

  /** Returns the key of a location. */
  content(location: string): string {
    return this.groups + location;
  }

  marker({ location, digest }: Pick<StoredBlob, 'location' | 'digest'>): string {
    return `${this.content(location)}.${digestAlgorithm(digest)}-${digestHex(digest)}`;
  }

  quarantine({ location, digest }: StoredBlob): string {
    return `${this.#prefix}quarantine/${digestHex(digest)}.${location.replace('/', '.')}`;
  }

  side(folder: string, name: string): string {
    return `${this.#prefix}${folder}/${name}`;
  }

  probe(id: string): string {
    return `${this.#prefix}probe/${id}`;
  }

  /** Parses a key; undefined when it is not in the group of an upload. */
  parse(key: string): { readonly uploadId: string; readonly name: string } | undefined {
    const [uploadId = '', name = '', ...more] = key.slice(this.groups.length).split('/');
    if (!isUploadId(uploadId) || name === '' || more.length > 0) return undefined;
    return { uploadId, name };
  }
}

/** Returns the name of content that needs no marker. */
export function wholeName(digest: Digest): string {
  return `blob.${digestAlgorithm(digest)}-${digestHex(digest)}`;
}

export function isWhole({ digest, location }: StoredBlob): boolean {
  return location.endsWith(`/${wholeName(digest)}`);
}

export function isUploadId(text: string): boolean {
  return UPLOAD_ID.test(text);
}

export function parseName(name: string): ObjectName {
  if (CONTENT.test(name)) return { kind: 'content', name };
  const whole = WHOLE.exec(name);
  if (whole !== null) return { kind: 'whole', digest: parseDigest(`${whole[1]}:${whole[2]}`) };
  const [, content, algorithm, hex] = MARKER.exec(name) ?? [];
  if (content === undefined) return { kind: 'other' };
  return { kind: 'marker', content, digest: parseDigest(`${algorithm}:${hex}`) };
}
