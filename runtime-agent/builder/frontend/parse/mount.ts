import { parseSize } from '../../../../lib/settings/parse-size.ts';
import type { RunMount } from '../instruction.ts';
import { suggestion } from '../suggest.ts';
import { copySource } from './copy.ts';
import { refuse, type Written } from './written.ts';

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const KEYS: Readonly<Record<(typeof TYPES)[number], readonly string[]>> = {
  bind: ['type', 'from', 'source', 'target', 'readonly', 'readwrite'],
  cache: ['type', 'id', 'from', 'source', 'target', 'readonly', 'readwrite', 'sharing', 'mode', 'uid', 'gid'],
  tmpfs: ['type', 'target', 'size'],
  secret: ['type', 'id', 'source', 'target', 'env', 'required', 'mode', 'uid', 'gid'],
  ssh: ['type', 'id', 'target', 'required', 'mode', 'uid', 'gid'],
};
const ALIASES: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
  rw: 'readwrite',
};

/** Reads the value of `--mount` (reference, "RUN --mount"). */
export function parseMount(written: Written, text: string): RunMount {
  const fields = readFields(written, text);
  const type = fields.get('type')?.toLowerCase() ?? 'bind';
  if (!TYPES.some((known) => known === type)) {
    throw refuse(
      written,
      `unsupported mount type ${JSON.stringify(type.slice(0, 80))}${suggestion(type, TYPES)}`,
    );
  }
  const known = KEYS[type as (typeof TYPES)[number]];
  for (const key of fields.keys()) {
    if (!known.includes(key)) {
      throw refuse(
        written,
        `unexpected key '${key.slice(0, 80)}' in a mount of type ${type}${suggestion(key, known)}`,
      );
    }
  }
  return mountOf(type as (typeof TYPES)[number], new Fields(written, fields));
}

function mountOf(type: (typeof TYPES)[number], fields: Fields): RunMount {
  switch (type) {
    case 'bind':
      return {
        type,
        from: copySource(fields.text('from')),
        source: fields.text('source') ?? '/',
        target: fields.text('target') ?? '',
        writable: fields.flag('readwrite') || fields.has('readonly', 'false'),
      };
    case 'cache':
      return {
        type,
        id: fields.text('id'),
        from: fields.text('from') === undefined ? undefined : copySource(fields.text('from')),
        source: fields.text('source') ?? '/',
        target: fields.needed('target'),
        readonly: fields.flag('readonly'),
        sharing: fields.sharing(),
        ...fields.owner(0o755),
      };
    case 'tmpfs':
      return { type, target: fields.needed('target'), size: fields.size('size') };
    case 'secret': {
      const target = fields.text('target');
      const id = fields.text('id') ?? fields.text('source') ?? target?.split('/').at(-1);
      if (id === undefined || id === '') throw fields.refuse('a secret needs an id or a target');
      const env = fields.text('env');
      return { type, id, target, env, required: fields.flag('required'), ...fields.owner(0o400) };
    }
    case 'ssh': {
      const id = fields.text('id') ?? 'default';
      return {
        type,
        id,
        target: fields.text('target'),
        required: fields.flag('required'),
        ...fields.owner(0o600),
      };
    }
  }
}

class Fields {
  readonly #written: Written;
  readonly #fields: ReadonlyMap<string, string>;

  constructor(written: Written, fields: ReadonlyMap<string, string>) {
    this.#written = written;
    this.#fields = fields;
  }

  refuse(message: string): Error {
    return refuse(this.#written, message);
  }

  text(key: string): string | undefined {
    return this.#fields.get(key);
  }

  has(key: string, value: string): boolean {
    return this.#fields.get(key) === value;
  }

  needed(key: string): string {
    const value = this.#fields.get(key);
    if (value === undefined || value === '') throw this.refuse(`a mount needs a ${key}`);
    return value;
  }

  flag(key: string): boolean {
    const value = this.#fields.get(key);
    if (value === undefined) return false;
    if (value === '' || value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    throw this.refuse(`invalid value for ${key}: ${value.slice(0, 80)}`);
  }

  sharing(): 'shared' | 'private' | 'locked' {
    const value = this.#fields.get('sharing')?.toLowerCase() ?? 'shared';
    if (value === 'shared' || value === 'private' || value === 'locked') return value;
    throw this.refuse(
      `unsupported sharing value ${JSON.stringify(value.slice(0, 80))}${suggestion(value, ['shared', 'private', 'locked'])}`,
    );
  }

  owner(mode: number): { readonly mode: number; readonly uid: number; readonly gid: number } {
    return {
      mode: this.#number('mode', 8) ?? mode,
      uid: this.#number('uid', 10) ?? 0,
      gid: this.#number('gid', 10) ?? 0,
    };
  }

  size(key: string): number | undefined {
    const text = this.#fields.get(key);
    if (text === undefined) return undefined;
    const size = parseSize(text.trim(), 'binary');
    if (size === undefined) throw this.refuse(`invalid value for ${key}: ${text.slice(0, 80)}`);
    return size;
  }

  #number(key: string, base: 8 | 10): number | undefined {
    const text = this.#fields.get(key);
    if (text === undefined) return undefined;
    const isValid = base === 8 ? /^[0-7]{1,5}$/.test(text) : /^\d{1,10}$/.test(text);
    const value = Number.parseInt(text, base);
    if (!isValid || value >= 2 ** 32 - 1)
      throw this.refuse(`invalid value ${JSON.stringify(text.slice(0, 40))} for ${key}`);
    return value;
  }
}

/** Splits `key=value` and `key` at commas; a whole field may be quoted as in CSV. */
function readFields(written: Written, text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [field] of text.matchAll(/"(?:[^"]|"")*"|[^,]+/g)) {
    const plain = field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field;
    const sign = plain.indexOf('=');
    const typed = (sign < 0 ? plain : plain.slice(0, sign)).trim().toLowerCase();
    const key = ALIASES[typed] ?? typed;
    if (key === 'from' && plain.includes('$')) {
      throw refuse(written, "'from' doesn't support variable expansion: define an alias stage instead");
    }
    fields.set(key, sign < 0 ? '' : plain.slice(sign + 1));
  }
  return fields;
}
