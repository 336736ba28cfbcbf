import { ManifestInvalidError } from './errors.ts';

/** A JSON object whose values have not been looked at. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads UTF-8 JSON whose top is an object. Throws ManifestInvalidError; `what` begins its message. */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  let text: string;
  try {
    // With ignoreBOM the mark stays in the text and is refused below: other readers refuse it too.
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

/** The string at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
export function optionalString(object: JsonObject, key: string, what: string): string | undefined {
  const value = object[key] ?? undefined;
  if (value !== undefined && typeof value !== 'string') {
    throw new ManifestInvalidError(`${what}: "${key}" must be a string`);
  }
  return value;
}

/** The array at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
export function optionalArray(object: JsonObject, key: string, what: string): readonly unknown[] | undefined {
  const value = object[key] ?? undefined;
  if (value !== undefined && !Array.isArray(value)) {
    throw new ManifestInvalidError(`${what}: "${key}" must be an array`);
  }
  return value;
}

/** The array of strings at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
export function optionalStrings(
  object: JsonObject,
  key: string,
  what: string,
): readonly string[] | undefined {
  const values = optionalArray(object, key, what);
  if (values !== undefined && !values.every((value) => typeof value === 'string')) {
    throw new ManifestInvalidError(`${what}: "${key}" must hold strings only`);
  }
  return values;
}

/** The object of strings at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
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

/** The object at `key`; undefined when it is missing or null. Throws ManifestInvalidError. */
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
