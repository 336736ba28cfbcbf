import type { TerminalSize } from '../../containers/exec/execs.ts';
import { EngineError } from '../../errors.ts';
import { queryInteger } from '../http/query.ts';

/** The size in the query of both resize calls, `h` and `w`. Throws EngineError 'bad-request'. */
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
 * The bytes of detach keys as clients write them: `a`, or `ctrl-` and one of a-z @ [ \ ] ^ _, by commas; '' is the default
 * (docker attach, `--detach-keys`). Throws EngineError 'bad-request'.
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
