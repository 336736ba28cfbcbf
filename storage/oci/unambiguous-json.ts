import { Pace } from '../../lib/sync/pace.ts';
import { ManifestInvalidError } from '../errors.ts';

/** Far more than a manifest has (6), and far less than any reader's stack. */
const DEEPEST = 64;

/** Characters between two looks at the pace. */
const STEP = 4096;

/**
 * Checks valid JSON for what readers take in different ways: an object with the same key twice, of which some
 * take the first and others the last, so that one digest would stand for two contents; and nesting that some
 * give up on. Throws ManifestInvalidError; `what` begins its message.
 */
export async function refuseAmbiguousJson(bytes: Uint8Array, what: string): Promise<void> {
  const text = new TextDecoder().decode(bytes);
  const pace = new Pace();
  /** The keys of each open object; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let expectKey = false;
  let paced = 0;
  for (let position = 0; position < text.length; position += 1) {
    if (position - paced > STEP) {
      await pace.after(position - paced);
      paced = position;
    }
    switch (text[position]) {
      case '{':
      case '[': {
        const isObject = text[position] === '{';
        open.push(isObject ? new Set() : undefined);
        if (open.length > DEEPEST) throw new ManifestInvalidError(`${what} is nested deeper than ${DEEPEST}`);
        expectKey = isObject;
        break;
      }
      case '}':
      case ']':
        open.pop();
        expectKey = false;
        break;
      case ',':
        expectKey = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, position);
        if (expectKey) addKey(open.at(-1), text.slice(position, end + 1), what);
        expectKey = false;
        position = end;
        break;
      }
    }
  }
}

function addKey(keys: Set<string> | undefined, literal: string, what: string): void {
  const key = String(JSON.parse(literal));
  if (keys?.has(key)) {
    throw new ManifestInvalidError(
      `${what} has the key ${JSON.stringify(key.slice(0, 160))} twice in one object`,
    );
  }
  keys?.add(key);
}

/** The position of the quote that ends the string whose first quote is at `start`. */
function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (text[end] !== '"' && end < text.length) end += text[end] === '\\' ? 2 : 1;
  return end;
}
