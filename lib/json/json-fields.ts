import { findSyntaxFault } from './syntax-error.ts';

/** A JSON text of a client that is not well-formed, or not of the shape that it must have. */
export class JsonError extends Error {
  readonly code = 'bad-request';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JsonError';
  }
}

/**
 * Parses a text. Throws JsonError that begins with `what`, such as `invalid JSON`, and goes on in the words of Go's
 * encoding/json; for content after a value it is dockerd's sentence.
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message, isTrailing } = findSyntaxFault(text);
    throw new JsonError(isTrailing ? 'unexpected content after JSON' : `${what}: ${message}`, { cause });
  }
}

/** Whether a value is an object of JSON: no list, and not null. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The fields of a JSON object as Go's encoding/json reads them into a structure: a name matches in any case, the last of
 * several wins, null is the same as absent, and fields that nobody asks for are left aside. The keys of maps, such as labels,
 * match as they are, and null in a map or list is the zero value of its type. A value of another type is a JsonError that
 * names the field.
 */
export class JsonFields {
  readonly #values = new Map<string, unknown>();
  readonly #at: string;

  /** `at` is the path to the object with a dot at its end, for messages. Null has no fields. */
  constructor(value: unknown, at = '') {
    this.#at = at;
    if (value === null) return;
    if (!isJsonObject(value)) throw wrongType(at.slice(0, -1), 'an object');
    for (const [name, field] of Object.entries(value)) {
      if (field !== null) this.#values.set(fold(name), field);
    }
  }

  /** The full name of a field, for messages. */
  nameOf(name: string): string {
    return this.#at + name;
  }

  has(name: string): boolean {
    return this.#values.has(fold(name));
  }

  /** The value as it came; undefined where it is absent. */
  value(name: string): unknown {
    return this.#values.get(fold(name));
  }

  string(name: string): string {
    const value = this.value(name) ?? '';
    if (typeof value !== 'string') throw wrongType(this.nameOf(name), 'a string');
    return value;
  }

  boolean(name: string): boolean {
    const value = this.value(name) ?? false;
    if (typeof value !== 'boolean') throw wrongType(this.nameOf(name), 'true or false');
    return value;
  }

  /** A whole number of at most 2^53; beyond it JSON numbers are not exact. */
  integer(name: string): number {
    const value = this.value(name) ?? 0;
    if (typeof value !== 'number' || !Number.isSafeInteger(value))
      throw wrongType(this.nameOf(name), 'an integer');
    return value;
  }

  strings(name: string): readonly string[] {
    return this.optionalStrings(name) ?? [];
  }

  /** Null where the field is absent: it tells "not given" from "given as empty". */
  optionalStrings(name: string): readonly string[] | null {
    const value = this.value(name);
    return value === undefined ? null : stringList(value, this.nameOf(name));
  }

  /** A command line: a list, or one string of older clients. */
  command(name: string): readonly string[] | null {
    const value = this.value(name);
    return typeof value === 'string' ? [value] : this.optionalStrings(name);
  }

  stringMap(name: string): Readonly<Record<string, string>> {
    return stringMap(this.#object(name), this.nameOf(name));
  }

  /** A map whose values say nothing, such as ExposedPorts. */
  set(name: string): Readonly<Record<string, object>> {
    return Object.fromEntries(Object.keys(this.#object(name)).map((key) => [key, {}]));
  }

  /** An object's fields; none where it is absent. */
  fields(name: string): JsonFields {
    return new JsonFields(this.#object(name), `${this.nameOf(name)}.`);
  }

  list(name: string): readonly JsonFields[] {
    return fieldsList(this.value(name) ?? [], this.nameOf(name));
  }

  /** A map of objects by their keys. */
  map(name: string): readonly (readonly [key: string, fields: JsonFields])[] {
    return Object.entries(this.#object(name)).map(([key, value]) => {
      const at = `${this.nameOf(name)}.${key}`;
      return [key, new JsonFields(value, `${at}.`)] as const;
    });
  }

  /** A map of lists of objects by their keys. */
  mapOfLists(name: string): readonly (readonly [key: string, list: readonly JsonFields[]])[] {
    return Object.entries(this.#object(name)).map(
      ([key, value]) => [key, fieldsList(value ?? [], `${this.nameOf(name)}.${key}`)] as const,
    );
  }

  #object(name: string): Readonly<Record<string, unknown>> {
    const value = this.value(name) ?? {};
    if (!isJsonObject(value)) throw wrongType(this.nameOf(name), 'an object');
    return value;
  }
}

/** A map of strings, where null is ''. Throws JsonError. */
export function stringMap(value: unknown, name: string): Readonly<Record<string, string>> {
  if (!isJsonObject(value)) throw wrongType(name, 'an object of strings');
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (typeof (item ?? '') !== 'string') throw wrongType(name, 'an object of strings');
      return [key, (item ?? '') as string];
    }),
  );
}

/** A list of strings, where null is ''. Throws JsonError. */
export function stringList(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value)) throw wrongType(name, 'a list of strings');
  return value.map((item: unknown) => {
    if (typeof (item ?? '') !== 'string') throw wrongType(name, 'a list of strings');
    return (item ?? '') as string;
  });
}

/** A list of objects, where null is one without fields. Throws JsonError. */
export function fieldsList(value: unknown, name: string): readonly JsonFields[] {
  if (!Array.isArray(value)) throw wrongType(name, 'a list of objects');
  return value.map((item: unknown, index) => {
    if (item !== null && !isJsonObject(item)) throw wrongType(name, 'a list of objects');
    return new JsonFields(item, `${name}[${index}].`);
  });
}

/** Go folds more than the case of ASCII: the long s and the sign of Kelvin are letters of names to it. */
function fold(name: string): string {
  return name.toLowerCase().replaceAll('\u017f', 's');
}

function wrongType(field: string, wanted: string): JsonError {
  return new JsonError(`${field === '' ? 'the JSON' : field} must be ${wanted}`);
}
