import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';

interface Cost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** OWASP's "Password Storage Cheat Sheet", Argon2id; the memory is small enough for a busy registry. */
const COST: Cost = { memory: 19_456, passes: 2, parallelism: 1 };
const TAG_LENGTH = 32;
const SALT_LENGTH = 16;

/** Hashes a password with argon2id, off the main thread, into a PHC string that says its own cost. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_LENGTH);
  const tag = await derive(password, salt, COST, TAG_LENGTH);
  const cost = `m=${COST.memory},t=${COST.passes},p=${COST.parallelism}`;
  return `$argon2id$v=19$${cost}$${unpadded(salt)}$${unpadded(tag)}`;
}

/** Whether `password` is the one that was hashed, at the cost that the hash states. Throws on what is no such hash. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(hash);
  if (match === null) throw new Error('the stored password hash is not an argon2id PHC string');
  const [memory, passes, parallelism] = match.slice(1, 4).map(Number);
  const expected = Buffer.from(match[5] ?? '', 'base64');
  const cost = { memory: memory ?? 0, passes: passes ?? 0, parallelism: parallelism ?? 0 };
  const tag = await derive(password, Buffer.from(match[4] ?? '', 'base64'), cost, expected.length);
  return timingSafeEqual(tag, expected);
}

function derive(password: string, salt: Buffer, cost: Cost, tagLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2('argon2id', { message: Buffer.from(password), nonce: salt, tagLength, ...cost }, (error, tag) => {
      if (error) reject(error);
      else resolve(tag);
    });
  });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
