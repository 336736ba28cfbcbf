import { EngineError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../http/json-body.ts';

/**
 * Readers for the fields of a create body. Absent and `null` mean the default, as Go decodes them; a value of
 * another type is EngineError 'bad-request' that names the field. `where` is '' or a prefix such as `HostConfig.`.
 */
export function readString(object: JsonObject, name: string, where: string): string {
  const value = object[name] ?? '';
  if (typeof value !== 'string') throw wrongType(where + name, 'a string');
  return value;
}

export function readBoolean(object: JsonObject, name: string, where: string): boolean {
  const value = object[name] ?? false;
  if (typeof value !== 'boolean') throw wrongType(where + name, 'true or false');
  return value;
}

/** A whole number of at most 2^53; beyond it JSON numbers are not exact. */
export function readInteger(object: JsonObject, name: string, where: string): number {
  const value = object[name] ?? 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrongType(where + name, 'an integer');
  return value;
}

export function readStringList(object: JsonObject, name: string, where: string): readonly string[] {
  return readOptionalStringList(object, name, where) ?? [];
}

/** Null where the field is absent: it tells "not given" from "given as empty". */
export function readOptionalStringList(
  object: JsonObject,
  name: string,
  where: string,
): readonly string[] | null {
  const value = object[name] ?? null;
  if (value === null) return null;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    throw wrongType(where + name, 'a list of strings');
  }
  return value;
}

/** A command line: a list, or one string of older clients. */
export function readCommand(object: JsonObject, name: string, where: string): readonly string[] | null {
  const value = object[name];
  return typeof value === 'string' ? [value] : readOptionalStringList(object, name, where);
}

export function readStringMap(
  object: JsonObject,
  name: string,
  where: string,
): Readonly<Record<string, string>> {
  const value = readObject(object, name, where);
  const entries = Object.entries(value);
  if (!entries.every(([, item]) => typeof item === 'string')) {
    throw wrongType(where + name, 'an object of strings');
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

/** A map whose values say nothing, such as ExposedPorts. */
export function readSet(object: JsonObject, name: string, where: string): Readonly<Record<string, object>> {
  return Object.fromEntries(Object.keys(readObject(object, name, where)).map((key) => [key, {}]));
}

export function readObject(object: JsonObject, name: string, where: string): JsonObject {
  const value = object[name] ?? {};
  if (!isJsonObject(value)) throw wrongType(where + name, 'an object');
  return value;
}

export function readObjectList(object: JsonObject, name: string, where: string): readonly JsonObject[] {
  const value = object[name] ?? [];
  if (!Array.isArray(value) || !value.every(isJsonObject)) throw wrongType(where + name, 'a list of objects');
  return value;
}

function wrongType(field: string, wanted: string): EngineError {
  return new EngineError('bad-request', `${field} must be ${wanted}`);
}
