import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Digest } from '../../oci/digest.ts';
import { OciError } from '../../oci/errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../oci/json.ts';
import type { Descriptor, Manifest } from '../../oci/manifest.ts';
import type { BrowsedReferrer } from '../../storage/catalog/browse/browse-catalog.ts';
import { cut } from './bounded.ts';
import type { SignatureView } from './browse.ts';
import { extensionOf, textIn } from './certificate-extension.ts';
import { parseContent } from './manifest-parts.ts';
import { isNotationEnvelope, NOTATION_TYPE, readNotation } from './notation.ts';
import { type Content, type ContentReader, LARGEST_MANIFEST } from './read-content.ts';

/** Maximum bytes of manifests and bundles with signatures that are read for one page. */
const LARGEST_SUM = 2 * 1024 * 1024;
const MOST_MANIFESTS = 20;
const MOST_SIGNATURES = 10;
/** Maximum bytes of a certificate or key, and characters of a name in it. */
const LARGEST_CERTIFICATE = 16 * 1024;
const LONGEST_NAME = 1000;

const COSIGN_LAYERS = [
  'application/vnd.dev.cosign.simplesigning.v1+json',
  'application/vnd.dsse.envelope.v1+json',
];
const COSIGN_TAGS = ['.sig', '.att'];
const SIGNATURE = 'dev.cosignproject.cosign/signature';
const CERTIFICATE = 'dev.sigstore.cosign/certificate';
const LOG_ENTRY = 'dev.sigstore.cosign/bundle';
const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle';

/** 1.3.6.1.4.1.57264.1.8, a UTF8String, and 1.3.6.1.4.1.57264.1.1, a text without DER, of older certificates. */
const FULCIO_ISSUER = Buffer.from('2b0601040183bf300108', 'hex');
const OLD_FULCIO_ISSUER = Buffer.from('2b0601040183bf300101', 'hex');

/** Signatures of a manifest, and facts from the statement that they sign. */
export interface Signed {
  readonly signatures: readonly SignatureView[];
  readonly predicateType?: string;
}

/** Reports whether a type is that of a Sigstore bundle, of any version: `application/vnd.dev.sigstore.bundle.v0.3+json`. */
export function isBundle(mediaType: string | undefined): boolean {
  return mediaType?.toLowerCase().startsWith(BUNDLE_TYPE) ?? false;
}

/**
 * Reads the signatures that one page shows: those of cosign, in annotations of layers and in Sigstore bundles, and
 * those of Notation, in JWS and COSE envelopes. The signer is as stated by the signer: no signature, certificate or log
 * entry is verified.
 */
export class SignatureReader {
  readonly #content: ContentReader;
  readonly #repository: string;
  #bytes = LARGEST_SUM;
  #manifests = MOST_MANIFESTS;

  constructor(content: ContentReader, repository: string) {
    this.#content = content;
    this.#repository = repository;
  }

  /**
   * Returns the signatures of the referrers that cosign and Notation have made; those beyond the limits of a page are
   * left out.
   */
  async ofAll(referrers: readonly BrowsedReferrer[]): Promise<ReadonlyMap<Digest, Signed>> {
    const found = new Map<Digest, Signed>();
    for (const referrer of referrers) {
      if (found.has(referrer.digest) || !isSigned(referrer)) continue;
      if (this.#manifests === 0) break;
      this.#manifests -= 1;
      const { digest, mediaType } = referrer;
      const body = await this.#read(referrer.size, () =>
        this.#content.manifestOf(this.#repository, digest, LARGEST_MANIFEST),
      );
      const manifest = parseContent(body, mediaType);
      found.set(
        digest,
        typeof manifest === 'string' ? { signatures: [unread(manifest)] } : await this.of(manifest),
      );
    }
    return found;
  }

  async of({ artifactType, layers }: Pick<Manifest, 'artifactType' | 'layers'>): Promise<Signed> {
    const signatures: SignatureView[] = [];
    const predicateTypes: string[] = [];
    for (const layer of layers.slice(0, MOST_SIGNATURES)) {
      if (COSIGN_LAYERS.includes(layer.mediaType)) signatures.push(annotated(layer));
      if (artifactType === NOTATION_TYPE && isNotationEnvelope(layer.mediaType)) {
        const body = await this.#blob(layer);
        signatures.push(typeof body === 'string' ? unread(body) : notationOf(body, layer.mediaType));
      }
      if (!isBundle(layer.mediaType)) continue;
      const body = await this.#blob(layer);
      if (typeof body === 'string') signatures.push(unread(body));
      else {
        const { predicateType, signature } = readBundle(body);
        signatures.push(signature);
        if (predicateType !== undefined) predicateTypes.push(predicateType);
      }
    }
    const [predicateType] = predicateTypes;
    return { signatures, ...(predicateType !== undefined && { predicateType }) };
  }

  #blob({ digest, size }: Descriptor): Promise<Content> {
    return this.#read(size, () => this.#content.blob(this.#repository, digest, LARGEST_SUM));
  }

  async #read(size: number, read: () => Promise<Content>): Promise<Content> {
    if (size > this.#bytes) return 'it was not read: one page reads 2 MiB of signatures';
    const body = await read();
    if (typeof body !== 'string') this.#bytes -= body.length;
    return body;
  }
}

function isSigned({ artifactType, tag }: BrowsedReferrer): boolean {
  if (artifactType === NOTATION_TYPE) return true;
  if (isBundle(artifactType)) return true;
  if (artifactType?.startsWith('application/vnd.dev.cosign.')) return true;
  return tag !== undefined && COSIGN_TAGS.some((ending) => tag.endsWith(ending));
}

function unread(problem: string): SignatureView {
  return { by: 'unknown', problem };
}

/** Reads a signature in the annotations of a layer; that of an attestation is in its envelope, which is not read. */
function annotated({ annotations = {} }: Descriptor): SignatureView {
  const signature = Buffer.from(annotations[SIGNATURE] ?? '', 'base64');
  const digest = signature.length > 0 ? { digest: digestOf(signature) } : {};
  const certificate = annotations[CERTIFICATE];
  if (certificate) return { ...certified(fromPem(certificate)), ...digest };
  return { by: 'key', ...keyOfLogEntry(annotations[LOG_ENTRY]), ...digest };
}

/** Reads a Sigstore bundle, ignoring invalid parts. */
export function readBundle(body: Buffer): {
  readonly signature: SignatureView;
  readonly predicateType?: string;
} {
  try {
    const { dsseEnvelope, messageSignature, verificationMaterial } = parseJsonObject(body, 'the bundle');
    const envelope = objectOf(dsseEnvelope);
    const [first] = Array.isArray(envelope.signatures) ? envelope.signatures : [];
    const text = objectOf(first).sig ?? objectOf(messageSignature).signature;
    const signature = Buffer.from(typeof text === 'string' ? text : '', 'base64');
    const predicateType = predicateTypeOf(envelope.payload);
    return {
      signature: {
        ...signerOf(objectOf(verificationMaterial)),
        ...(signature.length > 0 && { digest: digestOf(signature) }),
      },
      ...(predicateType !== undefined && { predicateType }),
    };
  } catch (error) {
    if (error instanceof OciError) return { signature: unread(error.message) };
    throw error;
  }
}

/**
 * Returns the signer of an envelope of Notation, named by the subject of the certificate (its trust policy,
 * "x509.subject").
 */
function notationOf(body: Buffer, mediaType: string): SignatureView {
  try {
    const { certificate, signature } = readNotation(body, mediaType);
    return {
      ...certified(certificate, 'subject'),
      ...(signature !== undefined && { digest: digestOf(signature) }),
    };
  } catch (error) {
    if (error instanceof OciError) return unread(error.message);
    throw error;
  }
}

/**
 * Returns the signer in the verification material of a bundle: a certificate, a chain of them (until 0.2), or the hint
 * of a public key.
 */
function signerOf({ certificate, publicKey, x509CertificateChain }: JsonObject): SignatureView {
  const { certificates } = objectOf(x509CertificateChain);
  const [leaf] = Array.isArray(certificates) ? certificates : [];
  const { rawBytes } = objectOf(certificate ?? leaf);
  if (typeof rawBytes === 'string') return certified(Buffer.from(rawBytes, 'base64'));
  const { hint } = objectOf(publicKey);
  const key = Buffer.from(typeof hint === 'string' ? hint.slice(0, 100) : '', 'base64');
  // cosign writes the SHA-256 of the key; other signers may write any text.
  return { by: 'key', ...(key.length === 32 && { key: `sha256:${key.toString('hex')}` as const }) };
}

function predicateTypeOf(payload: unknown): string | undefined {
  if (typeof payload !== 'string') return undefined;
  const { predicateType } = parseJsonObject(Buffer.from(payload, 'base64'), 'the payload of the bundle');
  return typeof predicateType === 'string' ? cut(predicateType, LONGEST_NAME) : undefined;
}

/** Returns the certificate's names, alternative ones unless `by` requests others, and the SHA-256 of its public key. */
function certified(der: Buffer | undefined, by?: 'subject'): SignatureView {
  try {
    if (der === undefined || der.length > LARGEST_CERTIFICATE) throw new RangeError('no certificate');
    const certificate = new X509Certificate(der);
    const { issuer, publicKey, raw, subject, subjectAltName } = certificate;
    const provider = providerOf(raw);
    return {
      by: 'certificate',
      subject: nameOf((by !== 'subject' && subjectAltName) || subject),
      ...(provider !== undefined && { provider: nameOf(provider) }),
      issuer: nameOf(issuer),
      key: fingerprint(publicKey),
    };
  } catch {
    return { by: 'certificate', problem: 'its certificate cannot be read' };
  }
}

/**
 * Returns the provider that authenticated the subject when Fulcio made the certificate (its document of extensions,
 * "OIDs").
 */
function providerOf(certificate: Buffer): string | undefined {
  const provider = extensionOf(certificate, FULCIO_ISSUER);
  return provider === undefined
    ? extensionOf(certificate, OLD_FULCIO_ISSUER)?.toString('utf8')
    : textIn(provider);
}

function nameOf(text: string | undefined): string {
  return cut((text ?? '').replaceAll('\n', ', '), LONGEST_NAME);
}

/** Returns the key that its holder has recorded in a transparency log (Rekor's `hashedrekord`). */
function keyOfLogEntry(text: string | undefined): Pick<SignatureView, 'key'> {
  try {
    const { Payload } = parseJsonObject(Buffer.from(text ?? ''), 'the log entry');
    const { body } = objectOf(Payload);
    const entry = parseJsonObject(Buffer.from(String(body), 'base64'), 'the log entry');
    const { content } = objectOf(objectOf(objectOf(entry.spec).signature).publicKey);
    const der = fromPem(Buffer.from(String(content), 'base64').toString('latin1'));
    if (der === undefined || der.length > LARGEST_CERTIFICATE) return {};
    return { key: fingerprint(createPublicKey({ key: der, format: 'der', type: 'spki' })) };
  } catch {
    return {};
  }
}

function fingerprint(key: KeyObject): Digest {
  return digestOf(key.export({ type: 'spki', format: 'der' }));
}

/** Returns the bytes of the first certificate or key of a PEM text. */
function fromPem(text: string): Buffer | undefined {
  const [, , content] = text.slice(0, 2 * LARGEST_CERTIFICATE).split('-----');
  return content === undefined ? undefined : Buffer.from(content, 'base64');
}

function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
