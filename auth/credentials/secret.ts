import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * `pat`: a personal token; `bot`: the secret of a robot account; `ref`: an identity (refresh) token; `ses`: a browser
 * session; `dev`: the code of a terminal that waits for its login to be confirmed.
 */
export type SecretKind = 'pat' | 'bot' | 'ref' | 'ses' | 'dev';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_LENGTH = 30;
const CHECKSUM_LENGTH = 6;
/** The form that secret scanners look for; the checksum distinguishes a secret from similar text. */
const SECRET = /^berth_(pat|bot|ref|ses|dev)_([0-9A-Za-z]{30})([0-9A-Za-z]{6})$/;

/**
 * Makes a secret, such as `berth_pat_` and 36 letters and digits: 178 random bits and a CRC-32 of everything before it.
 */
export function makeSecret(kind: SecretKind): string {
  const text = `berth_${kind}_${randomText(RANDOM_LENGTH)}`;
  return text + checksum(text);
}

/** Returns the kind of a secret by its form; undefined for any other text, such as one with a typing error. */
export function secretKind(text: string): SecretKind | undefined {
  const match = SECRET.exec(text);
  if (match === null || checksum(text.slice(0, -CHECKSUM_LENGTH)) !== match[3]) return undefined;
  return match[1] as SecretKind;
}

/** Hashes a secret for storage. One round of SHA-256 suffices for a random secret. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}

/** Makes a public id of 60 random bits. */
export function makeId(): string {
  return randomText(10);
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let place = 0; place < CHECKSUM_LENGTH; place += 1) {
    digits = `${ALPHABET[rest % 62]}${digits}`;
    rest = Math.floor(rest / 62);
  }
  return digits;
}

function randomText(length: number): string {
  let text = '';
  while (text.length < length) {
    // Bytes beyond the last multiple of 62 would favour the first letters.
    for (const byte of randomBytes(length))
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62];
  }
  return text;
}
