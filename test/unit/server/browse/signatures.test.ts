import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Digest } from '../../../../oci/digest.ts';
import type { Descriptor } from '../../../../oci/manifest.ts';
import type { ContentReader } from '../../../../server/browse/read-content.ts';
import { referrerKind } from '../../../../server/browse/referrer-views.ts';
import { readBundle, SignatureReader } from '../../../../server/browse/signatures.ts';
import {
  SIGNING_CERTIFICATE,
  SIGNING_CERTIFICATE_PEM,
  SIGNING_KEY,
} from '../../../support/signing-certificate.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const sha256 = (bytes: string | Buffer): Digest =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const bundleOf = (material: unknown, more: object = {}) =>
  Buffer.from(JSON.stringify({ verificationMaterial: material, ...more }));
const MESSAGE = { messageSignature: { signature: base64('signed') } };
const SIMPLE = 'application/vnd.dev.cosign.simplesigning.v1+json';

const layerOf = (annotations: Record<string, string>, mediaType = SIMPLE, size = 1): Descriptor => ({
  mediaType,
  digest: sha256(`${size}`),
  size,
  annotations,
});
const signature = (more: Record<string, string> = {}) => ({
  'dev.cosignproject.cosign/signature': base64('signed'),
  ...more,
});

/** A reader of a repository that has nothing but blobs of this content. */
function readerOf(body: Buffer): { readonly reader: SignatureReader; readonly reads: () => number } {
  let reads = 0;
  const content = {
    blob: async () => {
      reads += 1;
      return body;
    },
    manifestOf: async () => body,
  } as unknown as ContentReader;
  return { reader: new SignatureReader(content, 'team/app'), reads: () => reads };
}

const signaturesOf = async (...layers: readonly Descriptor[]) =>
  (await readerOf(Buffer.from('{}')).reader.of({ layers })).signatures;

describe('a signature of cosign', () => {
  test('tells the names, the issuer and the key of its certificate', async () => {
    const certificate = { 'dev.sigstore.cosign/certificate': SIGNING_CERTIFICATE_PEM };
    const [{ subject, ...rest } = { by: 'unknown' }] = await signaturesOf(layerOf(signature(certificate)));
    const names =
      'email:ada@example.com, URI:https://github.com/a/b/.github/workflows/x.yml@refs/heads/main, URI:';
    assert.equal(subject?.slice(0, names.length), names);
    const signer = {
      by: 'certificate',
      provider: 'https://token.actions.githubusercontent.com',
      issuer: 'CN=\\<script\\>alert(1)\\</script\\>, O=sigstore.dev',
      key: SIGNING_KEY,
      digest: sha256('signed'),
    };
    assert.deepEqual(rest, signer);
    for (const material of [
      { certificate: { rawBytes: SIGNING_CERTIFICATE } },
      { x509CertificateChain: { certificates: [{ rawBytes: SIGNING_CERTIFICATE }] } },
    ]) {
      assert.deepEqual(readBundle(bundleOf(material, MESSAGE)), { signature: { ...signer, subject } });
    }
  });

  test('by a key tells its fingerprint where a bundle or a log entry has it', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const key = sha256(publicKey.export({ type: 'spki', format: 'der' }));
    const content = base64(`${publicKey.export({ type: 'spki', format: 'pem' })}`);
    const body = base64(JSON.stringify({ spec: { signature: { publicKey: { content } } } }));
    const entry = JSON.stringify({ Payload: { body } });
    const known = { by: 'key', key, digest: sha256('signed') };
    assert.deepEqual(await signaturesOf(layerOf(signature({ 'dev.sigstore.cosign/bundle': entry }))), [
      known,
    ]);
    const hint = Buffer.from(key.slice(7), 'hex').toString('base64');
    assert.deepEqual(readBundle(bundleOf({ publicKey: { hint } }, MESSAGE)).signature, known);
    const bare = { by: 'key', digest: sha256('signed') };
    assert.deepEqual(await signaturesOf(layerOf(signature())), [bare]);
    assert.deepEqual(readBundle(bundleOf({ publicKey: { hint: '<b>key</b>' } }, MESSAGE)).signature, bare);
  });

  test('in a bundle tells what its statement attests', () => {
    const statement = { predicateType: 'https://slsa.dev/provenance/v1', predicate: {} };
    const dsseEnvelope = {
      payload: base64(JSON.stringify(statement)),
      signatures: [{ sig: base64('signed') }],
    };
    const { predicateType, signature } = readBundle(bundleOf({}, { dsseEnvelope }));
    assert.equal(predicateType, statement.predicateType);
    assert.deepEqual(signature, { by: 'key', digest: sha256('signed') });
    const referrer = {
      about: sha256('image'),
      digest: sha256('bundle'),
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      size: 1,
    };
    assert.equal(referrerKind(referrer), 'signature');
    assert.equal(referrerKind(referrer, predicateType), 'provenance');
    const annotations = { 'dev.sigstore.bundle.predicateType': 'https://spdx.dev/Document' };
    assert.equal(referrerKind({ ...referrer, annotations }, predicateType), 'sbom');
  });

  test('of a stranger is bounded, and what is not as it should be is left out', async () => {
    for (const pem of [
      'x',
      '-----BEGIN X-----',
      `-----BEGIN X-----\n${'A'.repeat(100_000)}\n-----END X-----`,
    ]) {
      const [found] = await signaturesOf(layerOf({ 'dev.sigstore.cosign/certificate': pem }));
      assert.deepEqual(found, { by: 'certificate', problem: 'its certificate cannot be read' });
    }
    for (const entry of ['', '{', '[]', '{"Payload":{"body":7}}', `{"Payload":{"body":"${base64('{}')}"}}`]) {
      assert.deepEqual(await signaturesOf(layerOf({ 'dev.sigstore.cosign/bundle': entry })), [{ by: 'key' }]);
    }
    for (const body of ['', 'x', '[]', '{"dsseEnvelope":{"payload":"!"}}']) {
      assert.equal(readBundle(Buffer.from(body)).signature.by, 'unknown');
    }
    for (const more of [
      { dsseEnvelope: [] },
      { messageSignature: 7 },
      { dsseEnvelope: { signatures: [7] } },
    ]) {
      assert.deepEqual(readBundle(bundleOf([], more)), { signature: { by: 'key' } });
    }
    assert.equal((await signaturesOf(...Array(1000).fill(layerOf(signature())))).length, 10);
  });

  test('is read as long as a page may read', async () => {
    const bundle = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    const size = 600 * 1024;
    const { reader, reads } = readerOf(Buffer.concat([bundleOf({}, MESSAGE), Buffer.alloc(size, ' ')]));
    const { signatures } = await reader.of({ layers: Array(5).fill(layerOf({}, bundle, size)) });
    assert.deepEqual(
      signatures.map(({ by }) => by),
      ['key', 'key', 'key', 'unknown', 'unknown'],
    );
    assert.equal(reads(), 3);
    const referrers = Array.from({ length: 30 }, (_, index) => ({
      about: sha256('image'),
      digest: sha256(`${index}`),
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: index === 0 ? 'application/spdx+json' : bundle,
      size: 1,
    }));
    const found = await readerOf(Buffer.from('no manifest')).reader.ofAll([...referrers, ...referrers]);
    assert.equal(found.size, 20);
    assert.equal(found.has(sha256('0')), false);
    assert.match(found.get(sha256('1'))?.signatures[0]?.problem ?? '', /not JSON/);
  });
});

describe('a signature of Notation', () => {
  const der = Buffer.from(SIGNING_CERTIFICATE, 'base64');
  const artifactType = 'application/vnd.cncf.notary.signature';
  const of = async (body: Buffer, mediaType: string, type = artifactType) =>
    (await readerOf(body).reader.of({ artifactType: type, layers: [layerOf({}, mediaType)] })).signatures;
  const JWS = 'application/jose+json';
  const COSE = 'application/cose';
  const jws = (header: unknown) =>
    Buffer.from(JSON.stringify({ payload: '', header, signature: 'c2lnbmVk' }));
  const signer = {
    by: 'certificate',
    subject: 'CN=\\<script\\>alert(1)\\</script\\>, O=sigstore.dev',
    provider: 'https://token.actions.githubusercontent.com',
    issuer: 'CN=\\<script\\>alert(1)\\</script\\>, O=sigstore.dev',
    key: SIGNING_KEY,
    digest: sha256('signed'),
  };
  const head = (major: number, length: number) =>
    length < 24 ? Buffer.from([major | length]) : Buffer.from([major | 25, length >> 8, length & 255]);
  const bytes = (content: Buffer | string) =>
    Buffer.concat([head(0x40, Buffer.byteLength(content)), Buffer.from(content)]);
  const list = (...items: readonly Buffer[]) => Buffer.concat([head(0x80, items.length), ...items]);
  /** COSE_Sign1 with its tag, and x5chain (33) and a text in its unprotected header. */
  const cose = (chain: Buffer) => {
    const text = (content: string) => Buffer.concat([head(0x60, content.length), Buffer.from(content)]);
    const header = [text('agent'), text('notation'), Buffer.from([0x18, 33]), chain];
    const map = Buffer.concat([head(0xa0, header.length / 2), ...header]);
    return Buffer.concat([Buffer.from([0xd2]), list(bytes(''), map, bytes('{}'), bytes('signed'))]);
  };

  test('tells the subject and the key of its certificate, as JWS and as COSE', async () => {
    assert.deepEqual(await of(jws({ x5c: [SIGNING_CERTIFICATE, 'other'] }), JWS), [signer]);
    assert.deepEqual(await of(cose(list(bytes(der), bytes('other'))), COSE), [signer]);
    assert.deepEqual(await of(cose(bytes(der)), COSE), [signer]);
    // These types are those of other artifacts too.
    assert.deepEqual(await of(jws({ x5c: [SIGNING_CERTIFICATE] }), JWS, 'application/other'), []);
  });

  test('of a stranger is read as far as it can be', async () => {
    const nothing = { by: 'certificate', problem: 'its certificate cannot be read' };
    const signed = { ...nothing, digest: sha256('signed') };
    for (const header of [undefined, 7, {}, { x5c: 'x' }, { x5c: [7] }, { x5c: ['AAAA'] }]) {
      assert.deepEqual(await of(jws(header), JWS), [signed]);
    }
    assert.equal((await of(Buffer.from('<script>'), JWS))[0]?.by, 'unknown');
    const whole = cose(bytes(der));
    for (let length = 0; length < whole.length; length += 7) {
      const [view] = await of(whole.subarray(0, length), COSE);
      assert.equal(view?.by, 'certificate', `${length} bytes`);
    }
    for (const hex of [
      'ff',
      '9f',
      'bf',
      '5f',
      'd2d2d2d2',
      '9bffffffffffffffff',
      '81'.repeat(100_000),
      'f97e00',
    ]) {
      assert.deepEqual(await of(Buffer.from(hex, 'hex'), COSE), [nothing], hex.slice(0, 20));
    }
  });
});
