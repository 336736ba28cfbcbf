import { randomInt } from 'node:crypto';
import { secretKind } from '../credentials/secret.ts';
import { PasswordRefusedError } from '../errors.ts';

const SHORTEST = 8;
/** Maximum bytes: the Authorization header must fit into the 16 KiB that an HTTP server accepts. */
const LONGEST = 1024;
/** Without 0, O, 1, l and I: people type it from a screen. */
const ALPHABET = '23456789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ';

/** Throws PasswordRefusedError, which never quotes the password. `what` names it in the message. */
export function checkPassword(password: string, what: string): void {
  if (password.length < SHORTEST) {
    throw new PasswordRefusedError(`${what} is too short: choose at least ${SHORTEST} characters`);
  }
  if (Buffer.byteLength(password) > LONGEST) {
    throw new PasswordRefusedError(`${what} is too long: choose at most ${LONGEST} bytes`);
  }
  if (secretKind(password) !== undefined) {
    throw new PasswordRefusedError(`${what} has the form of a token of a registry: choose another`);
  }
}

/** Makes a random password of 24 letters and digits, about 139 bits. */
export function makePassword(): string {
  return Array.from({ length: 24 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}
