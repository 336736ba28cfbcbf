import { Pace } from '../lib/sync/pace.ts';
import { ManifestInvalidError } from './errors.ts';

/** Far more than a manifest has (6), and far less than any reader's stack. */
const DEEPEST = 64;

/** Characters between two looks at the pace. */
const STEP = 4096;

/** Fields of manifests, descriptors and platforms (image-spec). */
const FIELDS: ReadonlyMap<string, string> = new Map(
  [
    ...[
      'schemaVersion',
      'mediaType',
      'artifactType',
      'config',
      'layers',
      'manifests',
      'subject',
      'annotations',
    ],
    ...['digest', 'size', 'urls', 'data', 'platform'],
    ...['architecture', 'os', 'os.version', 'os.features', 'variant', 'features'],
  ].map((field) => [field.toLowerCase(), field]),
);

interface OpenValue {
  /** The keys of an object; undefined for an array. */
  readonly keys?: Set<string>;
  /** Whether its keys are the author's own, in any case: annotations. */
  readonly isFree: boolean;
  /** The key whose value comes next, in an array that of the array. */
  key: string;
}

/**
 * Checks a manifest that is valid JSON for what readers take in different ways: an object with the same key twice, of
 * which some take the first and others the last, or with a field in another case, which programs written in Go take for
 * the field, so that one digest would stand for two contents; and nesting that some give up on. Throws
 * ManifestInvalidError; `what` begins its message.
 */
export async function refuseAmbiguousJson(bytes: Uint8Array, what: string): Promise<void> {
  const text = new TextDecoder().decode(bytes);
  const pace = new Pace();
  const open: OpenValue[] = [];
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
        const outer = open.at(-1);
        const key = outer?.key ?? '';
        const isFree = outer !== undefined && (outer.isFree || key === 'annotations');
        open.push(isObject ? { keys: new Set(), isFree, key: '' } : { isFree, key });
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
        expectKey = open.at(-1)?.keys !== undefined;
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

function addKey(object: OpenValue | undefined, literal: string, what: string): void {
  if (object === undefined) return;
  const key = String(JSON.parse(literal));
  const shown = JSON.stringify(key.slice(0, 160));
  if (object.keys?.has(key))
    throw new ManifestInvalidError(`${what} has the key ${shown} twice in one object`);
  const field = FIELDS.get(folded(key));
  if (!object.isFree && field !== undefined && field !== key) {
    throw new ManifestInvalidError(`${what} has the key ${shown}, which some programs read as "${field}"`);
  }
  object.keys?.add(key);
  object.key = key;
}

/** A key as Go compares it with the names of fields (encoding/json): two letters beside those of ASCII fold to these. */
function folded(key: string): string {
  return key.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase();
}

/** The position of the quote that ends the string whose first quote is at `start`. */
function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (text[end] !== '"' && end < text.length) end += text[end] === '\\' ? 2 : 1;
  return end;
}
