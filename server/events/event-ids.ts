import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const NONCE = 12;
const TAG = 16;
const PLAIN = 16;
const SEALED = /^[\w-]{59}$/;
/** Time for which a stream can be resumed, ms. */
const LIFE = 10 * 60 * 1000;

/**
 * The `id:` of events: an encrypted position in the audit. IDs of the audit count all events, so two of them would
 * reveal how many are hidden from a reader. Each has its own nonce: two IDs of one position differ as much as those of
 * two positions.
 */
export class EventIds {
  readonly #keys: () => Promise<readonly Buffer[]>;
  readonly #now: () => number;

  /** `keys` returns 32-byte keys, of which the first one encrypts; all replicas have the same. */
  constructor(keys: () => Promise<readonly Buffer[]>, now: () => number = Date.now) {
    this.#keys = keys;
    this.#now = now;
  }

  async seal(after: string): Promise<string> {
    const [key] = await this.#keys();
    if (key === undefined) throw new Error('there is no key for the IDs of events');
    const plain = Buffer.alloc(PLAIN);
    plain.writeBigUInt64BE(BigInt(after), 0);
    plain.writeBigUInt64BE(BigInt(this.#now()), 8);
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG });
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString(
      'base64url',
    );
  }

  /** Returns the position; undefined for an ID that this registry has not made within the last ten minutes. */
  async open(id: string): Promise<string | undefined> {
    if (!SEALED.test(id)) return undefined;
    const sealed = Buffer.from(id, 'base64url');
    for (const key of await this.#keys()) {
      const plain = opened(key, sealed);
      if (plain === undefined) continue;
      const isOld = Math.abs(this.#now() - Number(plain.readBigUInt64BE(8))) > LIFE;
      return isOld ? undefined : String(plain.readBigUInt64BE(0));
    }
    return undefined;
  }
}

function opened(key: Buffer, sealed: Buffer): Buffer | undefined {
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE), { authTagLength: TAG });
  decipher.setAuthTag(sealed.subarray(-TAG));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE, -TAG)), decipher.final()]);
  } catch {
    return undefined;
  }
}
