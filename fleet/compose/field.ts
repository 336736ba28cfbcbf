import { isJsonObject } from '../../lib/json/json-fields.ts';
import { parseSize } from '../../lib/settings/parse-size.ts';
import { type ComposePath, type ProblemList, quote } from './compose-error.ts';
import { parseDuration } from './duration.ts';
import type { KeyTable } from './keys.ts';

/** Maximum entries of one mapping or list. */
const MOST_ENTRIES = 1000;
const TOO_MANY = `has more than ${MOST_ENTRIES} entries`;

/**
 * A value of a Compose document with its path. A reader returns undefined when the value is absent or null. A value of
 * another type also adds a problem to the list:
 *
 *     const ports = service.get('ports').list();          // [] if absent
 *     const tty = service.get('tty').boolean() ?? false;  // also accepts "true": interpolation produces strings
 */
export class Field {
  readonly value: unknown;
  readonly path: ComposePath;
  readonly #problems: ProblemList;

  constructor(value: unknown, path: ComposePath, problems: ProblemList) {
    this.value = value;
    this.path = path;
    this.#problems = problems;
  }

  get isPresent(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  get isObject(): boolean {
    return isJsonObject(this.value);
  }

  get isList(): boolean {
    return Array.isArray(this.value);
  }

  /** The last key of the path. */
  get key(): string {
    return String(this.path.at(-1) ?? '');
  }

  /** Adds a problem at this path. Returns undefined, as a reader does for an invalid value. */
  refuse(message: string): undefined {
    this.#problems.add(this.path, message);
    return undefined;
  }

  /** Returns a field with another value at the same path. */
  with(value: unknown): Field {
    return new Field(value, this.path, this.#problems);
  }

  /** Returns the value of a key; absent if this is not a mapping. */
  get(key: string): Field {
    const value = isJsonObject(this.value) && Object.hasOwn(this.value, key) ? this.value[key] : undefined;
    return new Field(value, [...this.path, key], this.#problems);
  }

  /** Checks that this is a mapping with the keys of the table; keys that begin with `x-` are always allowed. */
  mapping(table: KeyTable): Field {
    if (this.value === undefined || this.value === null) return this;
    if (!isJsonObject(this.value)) {
      this.refuse('must be a mapping');
      return new Field(undefined, this.path, this.#problems);
    }
    for (const [key, value] of Object.entries(this.value)) {
      if (key.startsWith('x-') && key !== 'x-berth') continue;
      const known = table.get(key);
      if (known === undefined) this.get(key).refuse(`unknown key ${quote(key)}${suggest(key, table)}`);
      else if (known.support === 'refused' && value !== null) this.get(key).refuse(known.text);
    }
    return this;
  }

  /** Returns the entries of a mapping whose keys are names. */
  entries(): readonly Field[] {
    if (!this.isPresent) return [];
    if (!isJsonObject(this.value)) return this.refuse('must be a mapping') ?? [];
    const keys = Object.keys(this.value);
    if (keys.length > MOST_ENTRIES) return this.refuse(TOO_MANY) ?? [];
    return keys.map((key) => this.get(key));
  }

  list(): readonly Field[] {
    if (!this.isPresent) return [];
    if (!Array.isArray(this.value)) return this.refuse('must be a list') ?? [];
    if (this.value.length > MOST_ENTRIES) return this.refuse(TOO_MANY) ?? [];
    return this.value.map((item: unknown, index) => new Field(item, [...this.path, index], this.#problems));
  }

  string(): string | undefined {
    if (!this.isPresent) return undefined;
    if (typeof this.value !== 'string') return this.refuse('must be a string');
    return this.value.includes('\0') ? this.refuse('must not contain a NUL character') : this.value;
  }

  /** Reads a string, or a number or boolean as text. */
  text(): string | undefined {
    const { value } = this;
    if (typeof value === 'boolean' || Number.isFinite(value)) return String(value);
    return this.string();
  }

  boolean(): boolean | undefined {
    if (!this.isPresent) return undefined;
    const value = typeof this.value === 'string' ? BOOLEANS.get(this.value.toLowerCase()) : this.value;
    return typeof value === 'boolean' ? value : this.refuse('must be true or false');
  }

  integer(minimum: number, maximum: number): number | undefined {
    const value = this.#number();
    if (value === undefined) return undefined;
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    return this.refuse(`must be a whole number from ${minimum} to ${maximum}`);
  }

  number(minimum: number, maximum: number): number | undefined {
    const value = this.#number();
    if (value === undefined) return undefined;
    return value >= minimum && value <= maximum
      ? value
      : this.refuse(`must be from ${minimum} to ${maximum}`);
  }

  /** Reads a duration such as `1m30s`, as milliseconds; at most a day by default. */
  duration(maximum = 86_400_000): number | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    const duration = parseDuration(text);
    if (duration === undefined) return this.refuse('must be a duration, such as 500ms, 10s or 1m30s');
    return duration <= maximum ? duration : this.refuse(`must be at most ${maximum / 1000} seconds`);
  }

  /** Reads a size such as `512m` (powers of 1024), or a number of bytes. */
  size(): number | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    const size = parseSize(text, 'binary');
    if (size !== undefined && Number.isSafeInteger(size)) return size;
    return this.refuse('must be a size, such as 64m or 1g');
  }

  oneOf<const Name extends string>(names: readonly Name[]): Name | undefined {
    const text = this.string();
    if (text === undefined) return undefined;
    const found = names.find((name) => name === text);
    return found ?? this.refuse(`must be one of ${names.join(', ')}, not ${quote(text)}`);
  }

  /** Reads a list of strings; numbers become text. */
  strings(): readonly string[] {
    return this.list().flatMap((item) => item.#requiredText());
  }

  /** Reads one string, or a list of them. */
  stringOrStrings(): readonly string[] {
    return this.isList ? this.strings() : this.isPresent ? this.#requiredText() : [];
  }

  /** Reads a mapping of scalars, or a list of `KEY=VALUE`. An absent value is null. */
  map(): ReadonlyMap<string, string | null> {
    const found = new Map<string, string | null>();
    for (const item of this.isList ? this.list() : this.entries()) {
      const text = item.isPresent ? item.text() : null;
      if (text === undefined) continue;
      if (!this.isList) found.set(item.key, text);
      else if (text === null) item.refuse('must be KEY=VALUE');
      else {
        const equals = text.indexOf('=');
        found.set(equals < 0 ? text : text.slice(0, equals), equals < 0 ? null : text.slice(equals + 1));
      }
    }
    return found;
  }

  /** Like map, but returns an object, with null as `absent`. */
  record(absent: string): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.map()].map(([key, value]) => [key, value ?? absent]));
  }

  #requiredText(): readonly string[] {
    if (!this.isPresent) this.refuse('must be a string');
    const text = this.text();
    return text === undefined ? [] : [text];
  }

  #number(): number | undefined {
    if (!this.isPresent) return undefined;
    const { value } = this;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    if (typeof value === 'string' && /^-?\d{1,15}(?:\.\d{1,9})?$/.test(value)) return Number(value);
    return this.refuse('must be a number');
  }
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'yes', 'y', 'on'].map((name) => [name, true] as const),
  ...['false', 'no', 'n', 'off'].map((name) => [name, false] as const),
]);

/** Suggests a known key that differs in case, in `_` or `-`, or by one letter. */
function suggest(key: string, table: KeyTable): string {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_]/g, '');
  const found = [...table.keys()].find(
    (known) => plain(known) === plain(key) || isOneEditAway(plain(known), plain(key)),
  );
  return found === undefined ? '' : `: did you mean ${quote(found)}?`;
}

function isOneEditAway(one: string, other: string): boolean {
  if (Math.abs(one.length - other.length) > 1 || one.length < 3) return false;
  let start = 0;
  while (start < one.length && one[start] === other[start]) start += 1;
  return [
    [1, 1],
    [1, 0],
    [0, 1],
  ].some(([skip = 0, skipOther = 0]) => one.slice(start + skip) === other.slice(start + skipOther));
}
