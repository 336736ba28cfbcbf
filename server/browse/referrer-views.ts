import type { Digest } from '../../oci/digest.ts';
import type { BrowsedReferrer } from '../../storage/catalog/browse/browse-catalog.ts';
import { mapOf } from './bounded.ts';
import type { ReferrerKind, ReferrerView } from './browse.ts';
import type { Signed } from './signatures.ts';

/** Words of media types and predicate types, by their meaning; the first that occurs decides. */
const WORDS: readonly (readonly [word: string, kind: ReferrerKind])[] = [
  ['spdx', 'sbom'],
  ['cyclonedx', 'sbom'],
  ['sbom', 'sbom'],
  ['syft', 'sbom'],
  ['provenance', 'provenance'],
  ['slsa', 'provenance'],
  ['cosign/sign', 'signature'],
  ['signature', 'signature'],
  ['artifact.sig', 'signature'],
  ['in-toto', 'attestation'],
  ['attestation', 'attestation'],
  ['sigstore.bundle', 'signature'],
];

const PREDICATES = [
  'in-toto.io/predicate-type',
  'dev.sigstore.bundle.predicateType',
  'predicateType',
] as const;

const TAGS: Readonly<Record<string, ReferrerKind>> = {
  '.sig': 'signature',
  '.att': 'attestation',
  '.sbom': 'sbom',
};

/**
 * Returns the kind of a manifest about another one: by the predicate type in its annotations or its statement, then its
 * type, then the tag of cosign.
 */
export function referrerKind(
  { annotations = {}, artifactType, tag }: BrowsedReferrer,
  predicateType?: string,
): ReferrerKind {
  const attested = PREDICATES.map((name) => annotations[name]);
  for (const text of [...attested, predicateType, artifactType]) {
    const lower = text?.slice(0, 1000).toLowerCase();
    const found = lower === undefined ? undefined : WORDS.find(([word]) => lower.includes(word));
    if (found !== undefined) return found[1];
  }
  const ending = tag?.slice(tag.lastIndexOf('.'));
  return (ending !== undefined && TAGS[ending]) || 'other';
}

/** Returns the referrers of a manifest, each with its own referrers. */
export function referrerTree(
  about: Digest,
  direct: readonly BrowsedReferrer[],
  indirect: readonly BrowsedReferrer[],
  signed: ReadonlyMap<Digest, Signed>,
): readonly ReferrerView[] {
  const viewsOf = (digest: Digest, of: readonly BrowsedReferrer[], below: readonly BrowsedReferrer[]) =>
    of
      .filter((referrer) => referrer.about === digest && referrer.digest !== digest)
      .map(
        (referrer): ReferrerView => ({
          digest: referrer.digest,
          kind: referrerKind(referrer, signed.get(referrer.digest)?.predicateType),
          mediaType: referrer.mediaType,
          ...(referrer.artifactType !== undefined && { artifactType: referrer.artifactType }),
          size: referrer.size,
          annotations: mapOf(referrer.annotations),
          signatures: signed.get(referrer.digest)?.signatures ?? [],
          referrers: viewsOf(referrer.digest, below, []),
        }),
      );
  return viewsOf(about, direct, indirect);
}
