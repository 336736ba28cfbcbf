/**
 * A text or document that violates the OCI specifications. `code` is literal so that callers can map it without knowing
 * the classes.
 */
export abstract class OciError extends Error {
  abstract readonly code: OciErrorCode;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

export type OciErrorCode =
  | 'DIGEST_INVALID'
  | 'MANIFEST_INVALID'
  | 'NAME_INVALID'
  | 'REFERENCE_INVALID'
  | 'TAG_INVALID';

/** The text is not a digest of a supported algorithm. */
export class DigestInvalidError extends OciError {
  readonly code = 'DIGEST_INVALID';
}

/** The bytes are not a manifest, index or image configuration. */
export class ManifestInvalidError extends OciError {
  readonly code = 'MANIFEST_INVALID';
}

/** The text is not a repository name (distribution-spec, "Pulling manifests"). */
export class NameInvalidError extends OciError {
  readonly code = 'NAME_INVALID';
}

/** The text is not an image reference, such as `host:5000/team/app:1`. */
export class ReferenceInvalidError extends OciError {
  readonly code = 'REFERENCE_INVALID';
}

/** The text is not a tag (distribution-spec, "Pulling manifests"). */
export class TagInvalidError extends OciError {
  readonly code = 'TAG_INVALID';
}
