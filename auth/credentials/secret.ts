import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * `pat`: a personal token; `bot`: of a robot account; `ref`: an identity (refresh) token; `ses`: a session of a browser;
 * `dev`: what a terminal waits with until its login is confirmed.
 */
export type SecretKind = 'pat' | 'bot' | 'ref' | 'ses' | 'dev';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_LENGTH = 30;
const CHECKSUM_LENGTH = 6;
/** What a secret scanner looks for; the checksum tells a secret from a text that looks like one. */
const SECRET = /^berth_(pat|bot|ref|ses|dev)_([0-9A-Za-z]{30})([0-9A-Za-z]{6})$/;

/** A new secret, such as `berth_pat_` and 36 letters and digits: 178 random bits and a CRC-32 of all before it. */
export function makeSecret(kind: SecretKind): string {
  const text = `berth_${kind}_${randomText(RANDOM_LENGTH)}`;
  return text + checksum(text);
}

/** What kind of secret `text` has the form of; undefined when it is none, a slip of the pen included. */
export function secretKind(text: string): SecretKind | undefined {
  const match = SECRET.exec(text);
  if (match === null || checksum(text.slice(0, -CHECKSUM_LENGTH)) !== match[3]) return undefined;
  return match[1] as SecretKind;
}

/** What is kept of a secret. One round of SHA-256 is enough for what nobody can guess. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}

/** An id that is no secret, of 60 random bits. */
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
    // The bytes beyond the last multiple of 62 would favour the first letters.
    for (const byte of randomBytes(length))
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62];
  }
  return text;
}
