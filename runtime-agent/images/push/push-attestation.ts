import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../../../oci/digest.ts';
import type { RepositoryWriter } from '../../../oci/distribution/repository-writer.ts';
import type { Descriptor } from '../../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../../oci/media-types.ts';
import type { Attestation } from '../attestations/image-attestations.ts';

const IN_TOTO = 'application/vnd.in-toto+json';

/**
 * Attaches a statement to a manifest that was pushed, as a referrer (image-spec, manifest.md, "subject"; in-toto Statement v0.1). The same
 * statement about the same manifest gives the same digest. Throws EngineError.
 */
export async function pushAttestation(
  writer: RepositoryWriter,
  { predicateType, predicate }: Attestation,
  subject: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const statement = json({
    _type: 'https://in-toto.io/Statement/v0.1',
    predicateType,
    subject: [{ name, digest: { [digestAlgorithm(subject.digest)]: digestHex(subject.digest) } }],
    predicate,
  });
  const layer = await upload(writer, IN_TOTO, statement, signal);
  const config = await upload(writer, MEDIA_TYPES.ociEmpty, Buffer.from('{}'), signal);
  const manifest = json({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    artifactType: IN_TOTO,
    config,
    layers: [{ ...layer, annotations: { 'in-toto.io/predicate-type': predicateType } }],
    subject,
  });
  await writer.putManifest(
    digestOf(manifest),
    { bytes: manifest, mediaType: MEDIA_TYPES.ociManifest },
    signal,
  );
}

async function upload(
  writer: RepositoryWriter,
  mediaType: string,
  bytes: Buffer,
  signal: AbortSignal,
): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  if (!(await writer.hasBlob(descriptor.digest, signal))) {
    const read = (start: number) => only(bytes.subarray(start));
    await writer.uploadBlob({ ...descriptor, read }, () => undefined, signal);
  }
  return descriptor;
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digestOf(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
