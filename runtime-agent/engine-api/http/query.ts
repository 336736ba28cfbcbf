import type { TerminalSize } from '../../containers/exec/execs.ts';
import { EngineError } from '../../errors.ts';

/** Reads a boolean of a query string as Go's handlers do: absent, empty, `0`, `no`, `false` and `none` are false. */
export function queryBoolean(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)?.trim().toLowerCase() ?? '';
  return !['', '0', 'no', 'false', 'none'].includes(value);
}

/** Reads an integer of a query string, undefined if it is absent or empty. Throws EngineError 'bad-request'. */
export function queryInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw new EngineError('bad-request', `${name} must be an integer, not "${text.slice(0, 80)}"`);
  }
  return Number(text);
}

/**
 * Reads a time of a query (`since`, `until`): seconds since 1970 with an optional fraction, or RFC 3339. Returns milliseconds
 * since 1970; undefined where it is absent, empty or 0. Throws EngineError 'bad-request'.
 */
export function decodeTimestamp(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '' || text === '0') return undefined;
  if (/^-?\d{1,15}(\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  const parsed = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(parsed)) {
    throw new EngineError(
      'bad-request',
      `${name} must be seconds since 1970 or an RFC 3339 time, not "${text.slice(0, 80)}"`,
    );
  }
  // Date has millisecond precision, and clients send nanoseconds.
  const rest = /\.\d{3}(\d{1,6})/.exec(text)?.[1] ?? '0';
  return parsed + Number(`0.${rest}`);
}

/** Decodes the image or plugin name in a path's first capture: clients leave `/` and `:` unescaped. Throws EngineError 'bad-request'. */
export function pathName(captures: readonly string[] | undefined): string {
  const capture = captures?.[0] ?? '';
  try {
    return decodeURIComponent(capture);
  } catch (error) {
    throw new EngineError('bad-request', `invalid escape in the name ${capture}`, { cause: error });
  }
}

/** Reads the size in the query of both resize calls, `h` and `w`. Throws EngineError 'bad-request'. */
export function terminalSize(query: URLSearchParams): TerminalSize {
  return { rows: readSize(query, 'h'), columns: readSize(query, 'w') };
}

function readSize(query: URLSearchParams, name: string): number {
  const size = queryInteger(query, name);
  if (size === undefined || size < 0 || size > 65535) {
    throw new EngineError('bad-request', `${name} must be a terminal size of 0 to 65535`);
  }
  return size;
}

/** ctrl-p ctrl-q */
const DEFAULT_DETACH_KEYS = [16, 17];

/**
 * Parses detach keys as clients write them: `a`, or `ctrl-` and one of a-z @ [ \ ] ^ _, separated by commas; '' is the
 * default (docker attach, `--detach-keys`). Returns bytes. Throws EngineError 'bad-request'.
 */
export function parseDetachKeys(text: string): readonly number[] {
  if (text === '') return DEFAULT_DETACH_KEYS;
  return text.split(',').map((key) => {
    const control = /^ctrl-(.)$/i.exec(key)?.[1]?.toLowerCase();
    if (control !== undefined && /^[a-z@[\\\]^_]$/.test(control)) {
      return control === '@' ? 0 : (control.toUpperCase().codePointAt(0) ?? 0) - 0x40;
    }
    if (/^[\x20-\x7e]$/.test(key)) return key.codePointAt(0) ?? 0;
    throw new EngineError('bad-request', `Invalid detach keys (${text.slice(0, 80)}) provided`);
  });
}
