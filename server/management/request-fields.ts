import { SettingInvalidError } from '../../auth/errors.ts';
import type { RequestContext } from '../request-context.ts';
import { parseByteCount } from './parse-settings.ts';

const LARGEST_BODY = 64 * 1024;

type FieldKind = 'string' | 'boolean' | 'strings' | 'texts' | 'time' | 'size';

/** What a field of each kind is; a `time` is RFC 3339, or null for never. */
interface FieldTypes {
  readonly string: string;
  readonly boolean: boolean;
  readonly strings: readonly string[];
  /** An object whose values are strings. */
  readonly texts: Readonly<Record<string, string>>;
  readonly time: Date | null;
  /** Bytes: a whole number, or a text such as `20GiB`. */
  readonly size: number;
}

/** Fields that may hold secrets: an address may too. */
const SECRETS = /password|secret|url/i;

type Fields<Kinds extends Readonly<Record<string, FieldKind>>> = {
  readonly [Name in keyof Kinds]?: FieldTypes[Kinds[Name]];
};

/** The JSON object that a request sends. Throws SettingInvalidError for one with other fields or other kinds. */
export async function fieldsOf<const Kinds extends Readonly<Record<string, FieldKind>>>(
  ctx: RequestContext,
  kinds: Kinds,
): Promise<Fields<Kinds>> {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(await objectOf(ctx))) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      throw new SettingInvalidError(`the field ${JSON.stringify(name.slice(0, 80))} is not known`);
    }
    fields[name] = readField(name, kind, value);
  }
  ctx.state.asked = Object.fromEntries(Object.entries(fields).filter(([name]) => !SECRETS.test(name)));
  return fields as Fields<Kinds>;
}

/** The value of a field that must be there. Throws SettingInvalidError. */
export function required<Value>(name: string, value: Value | undefined): Value {
  if (value === undefined) throw new SettingInvalidError(`the field "${name}" is missing`);
  return value;
}

async function objectOf(ctx: RequestContext): Promise<object> {
  const bytes = await ctx.state.bodies.read(ctx.req, ctx.res, LARGEST_BODY);
  if (bytes === undefined) throw new SettingInvalidError(`the body has more than ${LARGEST_BODY} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new SettingInvalidError('the body is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SettingInvalidError('the body must be a JSON object');
  }
  return value;
}

function readField(name: string, kind: FieldKind, value: unknown): unknown {
  if (kind === 'strings') {
    if (Array.isArray(value) && value.every((part) => typeof part === 'string')) return value;
    throw new SettingInvalidError(`the field "${name}" must be a list of strings`);
  }
  if (kind === 'texts') {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isObject && Object.values(value).every((part) => typeof part === 'string')) return value;
    throw new SettingInvalidError(`the field "${name}" must be an object of strings`);
  }
  if (kind === 'time') {
    if (value === null) return null;
    const time = typeof value === 'string' ? new Date(value) : undefined;
    if (time !== undefined && !Number.isNaN(time.getTime())) return time;
    throw new SettingInvalidError(`the field "${name}" must be a time such as 2030-01-31T00:00:00Z, or null`);
  }
  if (kind === 'size') {
    if (typeof value === 'string') return parseByteCount(value);
    if (Number.isSafeInteger(value) && Number(value) >= 0) return value;
    throw new SettingInvalidError(`the field "${name}" must be a number of bytes, or a text such as "20GiB"`);
  }
  if (typeof value === kind) return value;
  throw new SettingInvalidError(`the field "${name}" must be a ${kind}`);
}
