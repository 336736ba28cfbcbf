import { findSyntaxFault } from './syntax-error.ts';

/** A client's JSON is malformed or has the wrong shape. */
export class JsonError extends Error {
  readonly code = 'bad-request';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JsonError';
  }
}

/**
 * Parses JSON. Throws JsonError: `what`, such as `invalid JSON`, followed by the message of Go's encoding/json. For
 * content after the value it uses dockerd's sentence.
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message, isTrailing } = findSyntaxFault(text);
    throw new JsonError(isTrailing ? 'unexpected content after JSON' : `${what}: ${message}`, { cause });
  }
}

/** Reports whether a value is a JSON object, not a list and not null. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads the fields of a JSON object as Go's encoding/json fills a struct: names match in any case, the last of several
 * wins, null means absent, and unknown fields are ignored. Keys of maps, such as labels, match exactly, and null in a
 * map or list is the zero value of its type. A value of the wrong type is a JsonError that names the field.
 */
export class JsonFields {
  readonly #values = new Map<string, unknown>();
  readonly #at: string;

  /** `at` is the path of the object and a dot, for messages. Null has no fields. */
  constructor(value: unknown, at = '') {
    this.#at = at;
    if (value === null) return;
    if (!isJsonObject(value)) throw wrongType(at.slice(0, -1), 'an object');
    for (const [name, field] of Object.entries(value)) {
      if (field !== null) this.#values.set(fold(name), field);
    }
  }

  /** Returns the full name of a field, for messages. */
  nameOf(name: string): string {
    return this.#at + name;
  }

  has(name: string): boolean {
    return this.#values.has(fold(name));
  }

  /** Returns the raw value of a field; undefined when absent. */
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

  /** Reads an integer of at most 2^53; larger JSON numbers are not exact. */
  integer(name: string): number {
    const value = this.value(name) ?? 0;
    if (typeof value !== 'number' || !Number.isSafeInteger(value))
      throw wrongType(this.nameOf(name), 'an integer');
    return value;
  }

  strings(name: string): readonly string[] {
    return this.optionalStrings(name) ?? [];
  }

  /** Returns null when the field is absent, which differs from an empty list. */
  optionalStrings(name: string): readonly string[] | null {
    const value = this.value(name);
    return value === undefined ? null : stringList(value, this.nameOf(name));
  }

  /** Reads a command line: a list, or one string from old clients. */
  command(name: string): readonly string[] | null {
    const value = this.value(name);
    return typeof value === 'string' ? [value] : this.optionalStrings(name);
  }

  stringMap(name: string): Readonly<Record<string, string>> {
    return stringMap(this.#object(name), this.nameOf(name));
  }

  /** Reads a map whose values carry no information, such as ExposedPorts. */
  set(name: string): Readonly<Record<string, object>> {
    return Object.fromEntries(Object.keys(this.#object(name)).map((key) => [key, {}]));
  }

  /** Reads an object; an absent one has no fields. */
  fields(name: string): JsonFields {
    return new JsonFields(this.#object(name), `${this.nameOf(name)}.`);
  }

  list(name: string): readonly JsonFields[] {
    return fieldsList(this.value(name) ?? [], this.nameOf(name));
  }

  /** Reads a map of objects. */
  map(name: string): readonly (readonly [key: string, fields: JsonFields])[] {
    return Object.entries(this.#object(name)).map(([key, value]) => {
      const at = `${this.nameOf(name)}.${key}`;
      return [key, new JsonFields(value, `${at}.`)] as const;
    });
  }

  /** Reads a map of lists of objects. */
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

/** Reads a map of strings; null is ''. Throws JsonError. */
export function stringMap(value: unknown, name: string): Readonly<Record<string, string>> {
  if (!isJsonObject(value)) throw wrongType(name, 'an object of strings');
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (typeof (item ?? '') !== 'string') throw wrongType(name, 'an object of strings');
      return [key, (item ?? '') as string];
    }),
  );
}

/** Reads a list of strings; null is ''. Throws JsonError. */
export function stringList(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value)) throw wrongType(name, 'a list of strings');
  return value.map((item: unknown) => {
    if (typeof (item ?? '') !== 'string') throw wrongType(name, 'a list of strings');
    return (item ?? '') as string;
  });
}

/** Reads a list of objects; null is an object without fields. Throws JsonError. */
export function fieldsList(value: unknown, name: string): readonly JsonFields[] {
  if (!Array.isArray(value)) throw wrongType(name, 'a list of objects');
  return value.map((item: unknown, index) => {
    if (item !== null && !isJsonObject(item)) throw wrongType(name, 'a list of objects');
    return new JsonFields(item, `${name}[${index}].`);
  });
}

/** Folds a name as Go does: the long s and the Kelvin sign count as the letters s and k. */
function fold(name: string): string {
  return name.toLowerCase().replaceAll('\u017f', 's');
}

function wrongType(field: string, wanted: string): JsonError {
  return new JsonError(`${field === '' ? 'the JSON' : field} must be ${wanted}`);
}
