import { Pace } from '../lib/sync/pace.ts';
import { ManifestInvalidError } from './errors.ts';

/** Values, keys and commas: of an index with MOST_REFERENCES members a part. */
const MOST_TOKENS = 250_000;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `{`, `[`, `,` and `:`. */
const STRUCTURE: ReadonlySet<number> = new Set([0x7b, 0x5b, 0x2c, 0x3a]);

/**
 * Refuses JSON of so many values that to read it, which cannot be interrupted, would hold all other requests up. Bytes
 * inside of strings do not count. Throws ManifestInvalidError; `what` begins its message.
 */
export async function refuseTooManyValues(bytes: Uint8Array, what: string): Promise<void> {
  const pace = new Pace();
  let tokens = 0;
  let inString = false;
  for (let position = 0; position < bytes.length; position += 1) {
    // A step of Pace is several bytes' work.
    if (position % 4096 === 0) await pace.after(256);
    const byte = bytes[position] ?? 0;
    if (byte === QUOTE) inString = !inString;
    else if (inString && byte === BACKSLASH) position += 1;
    else if (!inString && STRUCTURE.has(byte)) tokens += 1;
    if (tokens > MOST_TOKENS) throw new ManifestInvalidError(`${what} has too many values: divide it`);
  }
}
