import { EngineError } from '../../errors.ts';

/** The image or plugin name that a path's first capture holds: clients leave `/` and `:` unescaped. */
export function pathName(captures: readonly string[] | undefined): string {
  const capture = captures?.[0] ?? '';
  try {
    return decodeURIComponent(capture);
  } catch (error) {
    throw new EngineError('bad-request', `invalid escape in the name ${capture}`, { cause: error });
  }
}
