import { isJsonObject, parseJsonObject } from '../../oci/json.ts';

/** The artifact type of signatures of Notary Project (its signature specification, "OCI signatures"). */
export const NOTATION_TYPE = 'application/vnd.cncf.notary.signature';

/** Types of the layer that is the envelope: JWS in its JSON serialization (RFC 7515), and COSE_Sign1 (RFC 9052). */
const JWS = 'application/jose+json';
const COSE = 'application/cose';

/** The unsigned part of a Notation envelope; nothing is verified. */
export interface NotationEnvelope {
  /** The signer's certificate, DER. */
  readonly certificate?: Buffer;
  readonly signature?: Buffer;
}

/** Reports whether a layer of a signature of Notation is its envelope. */
export function isNotationEnvelope(mediaType: string): boolean {
  return mediaType === JWS || mediaType === COSE;
}

/** Reads an envelope, ignoring invalid parts. Throws OciError for a JWS that is not JSON. */
export function readNotation(body: Buffer, mediaType: string): NotationEnvelope {
  return mediaType === COSE ? readCose(body) : readJws(body);
}

function readJws(body: Buffer): NotationEnvelope {
  const { header, signature } = parseJsonObject(body, 'the signature');
  const { x5c } = isJsonObject(header) ? header : {};
  const [leaf] = Array.isArray(x5c) ? x5c : [];
  return {
    ...(typeof leaf === 'string' && { certificate: Buffer.from(leaf, 'base64') }),
    ...(typeof signature === 'string' && { signature: Buffer.from(signature, 'base64url') }),
  };
}

/** The label of x5chain in the headers of COSE (RFC 9360): a certificate, or a list of them with the signer's first. */
const X5CHAIN = 33;

/** COSE_Sign1: protected header, unprotected header, payload, signature. */
function readCose(body: Buffer): NotationEnvelope {
  const message = new CborReader(body).read();
  const [, header, , signature] = Array.isArray(message) ? message : [];
  const chain = header instanceof Map ? header.get(X5CHAIN) : undefined;
  const leaf = Array.isArray(chain) ? chain[0] : chain;
  return {
    ...(Buffer.isBuffer(leaf) && { certificate: leaf }),
    ...(Buffer.isBuffer(signature) && { signature }),
  };
}

type Cbor = number | string | Buffer | undefined | readonly Cbor[] | ReadonlyMap<Cbor, Cbor>;

const MOST_ITEMS = 1000;
const DEEPEST = 8;

/**
 * Reads one item of CBOR (RFC 8949) of definite length, without the tags before it. Undefined for floating point and
 * simple values, for truncated input, and beyond 1,000 items or 8 levels.
 */
class CborReader {
  readonly #bytes: Buffer;
  #at = 0;
  #items = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(depth = 0): Cbor {
    this.#items += 1;
    const first = this.#bytes[this.#at];
    if (first === undefined || this.#items > MOST_ITEMS || depth > DEEPEST) return this.#stop();
    this.#at += 1;
    const count = this.#count(first & 0x1f);
    if (count === undefined) return this.#stop();
    switch (first >> 5) {
      case 0:
        return count;
      case 1:
        return -1 - count;
      case 2:
        return this.#take(count);
      case 3:
        return this.#take(count)?.toString('utf8');
      case 4: {
        const list: Cbor[] = [];
        for (let index = 0; index < count && !this.#hasEnded; index += 1) list.push(this.read(depth + 1));
        return list;
      }
      case 5: {
        const map = new Map<Cbor, Cbor>();
        for (let index = 0; index < count && !this.#hasEnded; index += 1) {
          const name = this.read(depth + 1);
          map.set(name, this.read(depth + 1));
        }
        return map;
      }
      case 6:
        return this.read(depth + 1);
      default:
        return undefined;
    }
  }

  get #hasEnded(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Returns the argument of an item: up to 23 in its first byte, or in the 1, 2, 4 or 8 bytes that follow. */
  #count(info: number): number | undefined {
    if (info < 24) return info;
    const size = 2 ** (info - 24);
    if (size > 8) return undefined;
    const bytes = this.#take(size);
    if (bytes === undefined) return undefined;
    return size === 8 ? Number(bytes.readBigUInt64BE()) : bytes.readUIntBE(0, size);
  }

  #take(count: number): Buffer | undefined {
    const end = this.#at + count;
    if (end > this.#bytes.length) return this.#stop();
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** Stops reading, because the offset of the next item is unknown. */
  #stop(): undefined {
    this.#at = this.#bytes.length;
    return undefined;
  }
}
