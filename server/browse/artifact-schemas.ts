import type { Digest } from '../../oci/digest.ts';
import { integer, list, object, oneOf, optional, type Schema, text, time } from '../api/schema.ts';

/** Signatures of an artifact. */
export const SIGNATURES = list(
  object(
    {
      by: oneOf(['key', 'certificate', 'unknown'], { description: 'unknown: it was not read' }),
      key: optional(
        text({
          description:
            "SHA-256 of the public key as PKIX (DER), where a certificate, a bundle or an entry of Rekor's log tells it",
        }) as Schema<Digest>,
      ),
      subject: optional(
        text({
          description: 'Alternative names of the certificate; its subject if it has none, and for Notation',
        }),
      ),
      provider: optional(
        text({
          description: 'The OpenID Connect provider that authenticated the subject, as Fulcio writes it',
        }),
      ),
      issuer: optional(text({ description: "The certificate's" })),
      digest: optional(text({ description: 'SHA-256 of the signature itself' }) as Schema<Digest>),
      problem: optional(text({ description: 'Why it is not shown completely' })),
    },
    {
      title: 'Signature',
      description: 'A signature of cosign or Notation, as its maker describes it: nothing is verified',
    },
  ),
  { description: '10 at most; of the first 20 referrers that have some, 2 MiB together' },
);

/** The packages of an artifact that is an SBOM. */
export const SBOM = object(
  {
    format: optional(oneOf(['SPDX', 'CycloneDX', 'Syft'])),
    problem: optional(text({ description: 'Why nothing is listed' })),
    packages: list(object({ name: text(), version: optional(text()), licence: optional(text()) }), {
      description: '1,000 at most',
    }),
    packageCount: integer({ description: 'Number of packages' }),
  },
  {
    title: 'Sbom',
    description: 'Of an artifact that is an SBOM of SPDX, CycloneDX or Syft as JSON, at most 2 MiB',
  },
);

/** Content of a build attestation. */
export const PROVENANCE = object(
  {
    problem: optional(text({ description: 'Why nothing is shown' })),
    builder: optional(text()),
    buildType: optional(text()),
    source: optional(text()),
    revision: optional(text({ description: 'Revision of the source: a commit, or another digest' })),
    entryPoint: optional(text()),
    invocation: optional(text()),
    started: optional(time()),
    finished: optional(time()),
    materials: list(text(), { description: 'Addresses of the materials of the build, at most 100' }),
    materialCount: integer({ description: 'Number of materials' }),
  },
  {
    title: 'Provenance',
    description:
      'Of an attestation of SLSA provenance, at most 2 MiB, as its maker describes it: nothing is verified',
  },
);
