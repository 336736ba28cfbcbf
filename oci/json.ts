import { Pace } from '../lib/sync/pace.ts';
import { ManifestInvalidError } from './errors.ts';

/** A JSON object whose values are unchecked. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Parses UTF-8 JSON that must be an object. Throws ManifestInvalidError whose message begins with `what`. */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  let text: string;
  try {
    // With ignoreBOM the mark stays in the text and is refused below, as other readers do.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new ManifestInvalidError(`${what} is not UTF-8 text`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ManifestInvalidError(`${what} is not JSON`, { cause });
  }
  if (!isJsonObject(value)) throw new ManifestInvalidError(`${what} must be a JSON object`);
  return value;
}

/** Returns the string at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
export function optionalString(object: JsonObject, key: string, what: string): string | undefined {
  const value = object[key] ?? undefined;
  if (value !== undefined && typeof value !== 'string') {
    throw new ManifestInvalidError(`${what}: "${key}" must be a string`);
  }
  return value;
}

/** Returns the array at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
export function optionalArray(object: JsonObject, key: string, what: string): readonly unknown[] | undefined {
  const value = object[key] ?? undefined;
  if (value !== undefined && !Array.isArray(value)) {
    throw new ManifestInvalidError(`${what}: "${key}" must be an array`);
  }
  return value;
}

/** Returns the array of strings at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
export function optionalStrings(
  object: JsonObject,
  key: string,
  what: string,
): readonly string[] | undefined {
  const values = optionalArray(object, key, what);
  if (values !== undefined && !values.every((value) => typeof value === 'string')) {
    throw new ManifestInvalidError(`${what}: "${key}" must contain only strings`);
  }
  return values;
}

/** Returns the object of strings at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
export function optionalStringMap(
  object: JsonObject,
  key: string,
  what: string,
): Readonly<Record<string, string>> | undefined {
  const map = optionalObject(object, key, what);
  if (map !== undefined && !isStringMap(map)) {
    throw new ManifestInvalidError(`${what}: the values of "${key}" must be strings`);
  }
  return map;
}

/** Returns the object at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
export function optionalObject(object: JsonObject, key: string, what: string): JsonObject | undefined {
  const value = object[key] ?? undefined;
  if (value !== undefined && !isJsonObject(value)) {
    throw new ManifestInvalidError(`${what}: "${key}" must be an object`);
  }
  return value;
}

function isStringMap(map: JsonObject): map is Readonly<Record<string, string>> {
  return Object.values(map).every((value) => typeof value === 'string');
}

/** Maximum values, keys and commas; an index with MOST_REFERENCES members has fewer. */
const MOST_TOKENS = 250_000;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `{`, `[`, `,` and `:`. */
const STRUCTURE: ReadonlySet<number> = new Set([0x7b, 0x5b, 0x2c, 0x3a]);

/**
 * Refuses JSON with too many values: parsing cannot be interrupted and would block all other requests. Bytes inside
 * strings do not count. Throws ManifestInvalidError whose message begins with `what`.
 */
export async function refuseTooManyValues(bytes: Uint8Array, what: string): Promise<void> {
  const pace = new Pace();
  let tokens = 0;
  let inString = false;
  for (let position = 0; position < bytes.length; position += 1) {
    // One step of Pace covers several bytes.
    if (position % 4096 === 0) await pace.after(256);
    const byte = bytes[position] ?? 0;
    if (byte === QUOTE) inString = !inString;
    else if (inString && byte === BACKSLASH) position += 1;
    else if (!inString && STRUCTURE.has(byte)) tokens += 1;
    if (tokens > MOST_TOKENS) throw new ManifestInvalidError(`${what} has too many values: split it`);
  }
}

/** Maximum depth: far more than a manifest has (6), and far less than any reader's stack. */
const DEEPEST = 64;

/** Characters between two calls of the pace. */
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
  /** Whether the author chooses its keys, in any case: annotations. */
  readonly isFree: boolean;
  /** The key whose value comes next; in an array, the key of the array. */
  key: string;
}

/**
 * Checks valid JSON of a manifest for ambiguity: readers disagree about an object with the same key twice (first or
 * last), and about a field in another case (Go programs accept it), so one digest would stand for two contents. Also
 * refuses nesting that some readers reject. Throws ManifestInvalidError whose message begins with `what`.
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

/** Folds a key as Go's encoding/json does to compare it with field names: two non-ASCII letters fold to ASCII. */
function folded(key: string): string {
  return key.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase();
}

/** Returns the position of the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (text[end] !== '"' && end < text.length) end += text[end] === '\\' ? 2 : 1;
  return end;
}
