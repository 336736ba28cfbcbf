import { DigestInvalidError } from './errors.ts';

/** The algorithms that Berth verifies (image-spec, descriptor.md, "Registered algorithms"). */
export type DigestAlgorithm = 'sha256' | 'sha512';

/** A valid digest: a registered algorithm and lower-case hex of its exact length. */
export type Digest = `${DigestAlgorithm}:${string}`;

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

export function isDigestAlgorithm(text: string): text is DigestAlgorithm {
  return text === 'sha256' || text === 'sha512';
}

export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  if (!isDigestAlgorithm(algorithm)) return false;
  const hex = text.slice(colon + 1);
  return hex.length === HEX_LENGTH[algorithm] && /^[0-9a-f]+$/.test(hex);
}

/** Parses an untrusted digest. Throws DigestInvalidError. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) {
    throw new DigestInvalidError(
      `"${text.slice(0, 160)}" is not a digest: expected sha256: and 64 or sha512: and 128 lower-case hex digits`,
    );
  }
  return text;
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** Returns the hex part of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice(7);
}
