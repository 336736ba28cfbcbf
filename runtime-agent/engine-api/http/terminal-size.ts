import type { TerminalSize } from '../../containers/exec/execs.ts';
import { EngineError } from '../../errors.ts';
import { queryInteger } from './query.ts';

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
