import { createPublicKey, type KeyObject, sign } from 'node:crypto';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
/** [0] of CertificationRequestInfo, constructed: its attributes. */
const ATTRIBUTES = 0xa0;
/** [2] of GeneralName: dNSName. */
const DNS_NAME = 0x82;

/** 1.2.840.10045.4.3.2, ecdsa-with-SHA256 */
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
/** 1.2.840.113549.1.9.14, extensionRequest */
const EXTENSION_REQUEST = Buffer.from('06092a864886f70d01090e', 'hex');
/** 2.5.29.17, subjectAltName */
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');

/** Returns the DER of a PKCS #10 request (RFC 2986) for a certificate of one host name. `key` is a private key of P-256. */
export function signingRequest(host: string, key: KeyObject): Buffer {
  const names = der(SEQUENCE, der(DNS_NAME, Buffer.from(host, 'latin1')));
  const extensions = der(SEQUENCE, der(SEQUENCE, SUBJECT_ALT_NAME, der(OCTET_STRING, names)));
  const information = der(
    SEQUENCE,
    der(INTEGER, Buffer.of(0)),
    // The subject is empty: the name is in the extension.
    der(SEQUENCE),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der(ATTRIBUTES, der(SEQUENCE, EXTENSION_REQUEST, der(SET, extensions))),
  );
  const signature = sign('sha256', information, key);
  return der(
    SEQUENCE,
    information,
    der(SEQUENCE, ECDSA_WITH_SHA256),
    der(BIT_STRING, Buffer.of(0), signature),
  );
}

function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}
