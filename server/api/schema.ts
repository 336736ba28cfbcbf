import { SettingInvalidError } from '../../auth/errors.ts';

/** A schema of JSON Schema 2020-12, as in OpenAPI 3.1. A schema with a `title` becomes a component of the document. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A JSON value of the management API: reads it from a request and describes it in the OpenAPI document. */
export interface Schema<Value> {
  readonly json: JsonSchema;
  /** Name of the value in errors: "a string". */
  readonly noun: string;
  /** Plural in errors: "strings". */
  readonly plural: string;
  /**
   * Reads the value of a request's field. Throws SettingInvalidError, which names the field and says that it must be
   * `must`.
   */
  read(value: unknown, field: string, must?: string): Value;
}

/** A field that may be absent. */
export interface OptionalSchema<Value> extends Schema<Value> {
  readonly optional: true;
}

export type Fields = Readonly<Record<string, Schema<unknown>>>;

type ValueOf<Of> = Of extends Schema<infer Value> ? Value : never;
type OptionalNames<Of extends Fields> = {
  [Name in keyof Of]: Of[Name] extends { readonly optional: true } ? Name : never;
}[keyof Of];

/** The object type with the values of some fields. */
export type ObjectOf<Of extends Fields> = {
  readonly [Name in Exclude<keyof Of, OptionalNames<Of>>]: ValueOf<Of[Name]>;
} & { readonly [Name in OptionalNames<Of>]?: ValueOf<Of[Name]> };

export interface ObjectSchema<Of extends Fields> extends Schema<ObjectOf<Of>> {
  readonly fields: Of;
}

/** Makes a schema of values that `parse` accepts; it returns undefined for a value of another kind. */
export function schema<Value>(
  nouns: Pick<Schema<Value>, 'noun' | 'plural'>,
  json: JsonSchema,
  parse: (value: unknown) => Value | undefined,
): Schema<Value> {
  const read = (value: unknown, field: string, must = nouns.noun) => parse(value) ?? refuse(field, must);
  return { ...nouns, json, read };
}

/**
 * Any string. `json` describes it further (`description`, `enum`, `minLength`), as documentation only: the domain
 * enforces it, with its own errors.
 */
export function text(json: JsonSchema = {}): Schema<string> {
  return schema({ noun: 'a string', plural: 'strings' }, { type: 'string', ...json }, (value) =>
    typeof value === 'string' ? value : undefined,
  );
}

/** One of several strings; the reader refuses all others. */
export function oneOf<const Value extends string>(
  values: readonly Value[],
  json: JsonSchema = {},
): Schema<Value> {
  const noun = `one of ${values.join(', ')}`;
  return schema({ noun, plural: noun }, { type: 'string', enum: values, ...json }, (value) =>
    values.find((one) => one === value),
  );
}

export function boolean(json: JsonSchema = {}): Schema<boolean> {
  return schema({ noun: 'a boolean', plural: 'booleans' }, { type: 'boolean', ...json }, (value) =>
    typeof value === 'boolean' ? value : undefined,
  );
}

/** An integer from `minimum` to `maximum`, which the reader enforces. */
export function integer({
  minimum = Number.MIN_SAFE_INTEGER,
  maximum = Number.MAX_SAFE_INTEGER,
  ...json
}: {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description?: string;
} = {}): Schema<number> {
  const limits = {
    ...(minimum !== Number.MIN_SAFE_INTEGER && { minimum }),
    ...(maximum !== Number.MAX_SAFE_INTEGER && { maximum }),
  };
  const from = 'minimum' in limits ? ` from ${minimum}` : '';
  const to = 'maximum' in limits ? ` to ${maximum}` : '';
  const nouns = { noun: `a whole number${from}${to}`, plural: `whole numbers${from}${to}` };
  return schema(nouns, { type: 'integer', ...limits, ...json }, (value) =>
    Number.isSafeInteger(value) && Number(value) >= minimum && Number(value) <= maximum
      ? Number(value)
      : undefined,
  );
}

/** A time in a request; answers use `timestamp`. */
export function time(json: JsonSchema = {}): Schema<Date> {
  const nouns = { noun: 'a time such as 2030-01-31T00:00:00Z', plural: 'times such as 2030-01-31T00:00:00Z' };
  return schema(nouns, { type: 'string', format: 'date-time', ...json }, (value) => {
    const read = typeof value === 'string' ? new Date(value) : undefined;
    return read === undefined || Number.isNaN(read.getTime()) ? undefined : read;
  });
}

/** A time in an answer: RFC 3339 text. */
export function timestamp(json: JsonSchema = {}): Schema<string> {
  return text({ format: 'date-time', ...json });
}

export function nullable<Value>(of: Schema<Value>): Schema<Value | null> {
  const { description, ...json } = of.json;
  const isPlain = typeof json.type === 'string' && json.title === undefined && json.enum === undefined;
  return {
    noun: `${of.noun}, or null`,
    plural: `${of.plural}, or null`,
    json: {
      ...(isPlain ? { ...json, type: [json.type, 'null'] } : { anyOf: [json, { type: 'null' }] }),
      ...(description !== undefined && { description }),
    },
    read: (value, field, must = `${of.noun}, or null`) =>
      value === null ? null : of.read(value, field, must),
  };
}

export function optional<Value>(of: Schema<Value>): OptionalSchema<Value> {
  return { ...of, optional: true };
}

export function list<Value>(of: Schema<Value>, json: JsonSchema = {}): Schema<readonly Value[]> {
  const noun = `a list of ${of.plural}`;
  return {
    noun,
    plural: `lists of ${of.plural}`,
    json: { type: 'array', items: of.json, ...json },
    read: (value, field, must = noun) =>
      Array.isArray(value) ? value.map((entry) => of.read(entry, field, must)) : refuse(field, must),
  };
}

/** An object with any names, whose values have one schema. */
export function record<Value>(
  of: Schema<Value>,
  json: JsonSchema = {},
): Schema<Readonly<Record<string, Value>>> {
  const noun = `an object of ${of.plural}`;
  return {
    noun,
    plural: `objects of ${of.plural}`,
    json: { type: 'object', additionalProperties: of.json, ...json },
    read: (value, field, must = noun) =>
      isObject(value)
        ? Object.fromEntries(
            Object.entries(value).map(([name, entry]) => [name, of.read(entry, field, must)]),
          )
        : refuse(field, must),
  };
}

/** An object of these fields and no others. With a `title` it is a component of the document: `object(USER, { title: 'User' })`. */
export function object<const Of extends Fields>(fields: Of, json: JsonSchema = {}): ObjectSchema<Of> {
  const required = Object.keys(fields).filter((name) => !isOptional(fields[name]));
  return {
    noun: 'an object',
    plural: 'objects',
    fields,
    json: {
      type: 'object',
      properties: Object.fromEntries(Object.entries(fields).map(([name, { json }]) => [name, json])),
      additionalProperties: false,
      required,
      ...json,
    },
    read: (value, field, must = 'an object') =>
      isObject(value) ? readFields(fields, value, `${field}.`) : refuse(field, must),
  };
}

/**
 * Reads the fields of an object in a request; `prefix` precedes their names in errors. Throws SettingInvalidError for
 * the first unknown or mistyped field, then for the first missing one.
 */
export function readFields<const Of extends Fields>(fields: Of, value: object, prefix = ''): ObjectOf<Of> {
  const found: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(value)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) {
      throw new SettingInvalidError(
        `the field ${JSON.stringify(`${prefix}${name}`.slice(0, 80))} is not known`,
      );
    }
    found[name] = field.read(entry, `${prefix}${name}`);
  }
  for (const [name, field] of Object.entries(fields)) {
    if (!isOptional(field) && !Object.hasOwn(found, name)) {
      throw new SettingInvalidError(`the field "${prefix}${name}" is missing`);
    }
  }
  return found as ObjectOf<Of>;
}

export function isOptional(of: Schema<unknown> | undefined): boolean {
  return of !== undefined && 'optional' in of;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse(field: string, must: string): never {
  throw new SettingInvalidError(`the field "${field}" must be ${must}`);
}
