import { type DockerfileText, dockerfileError, type Location } from './dockerfile-text.ts';
import { type CheckOptions, parseCheckOptions } from './lint/check-options.ts';

/** The parser directives at the top of a Dockerfile (reference, "Parser directives"). */
export interface Directives {
  readonly escapeToken: '\\' | '`';
  /** The image of a frontend; this builder is its own. */
  readonly syntax?: string;
  readonly check?: CheckOptions;
}

const DIRECTIVE = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)$/;
const KNOWN = ['escape', 'syntax', 'check'] as const;
/** Frontends whose language is the one that this builder reads. */
const OWN_SYNTAX = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::|@|$)/;

/** Reads the directives. Throws EngineError 'bad-request' for one that is given twice, or that this builder cannot follow. */
export function readDirectives(text: DockerfileText): Directives {
  const found = new Map<string, string>();
  for (const [index, line] of text.lines.entries()) {
    const [, name = '', written = ''] = DIRECTIVE.exec(line) ?? [];
    const value = written.trimEnd();
    const key = name.toLowerCase();
    if (!KNOWN.some((known) => known === key)) break;
    const at = { text, line: index + 1, endLine: index + 1 };
    if (found.has(key)) throw dockerfileError(at, `only one ${key} parser directive can be used`);
    if (key === 'escape' && value !== '\\' && value !== '`') {
      throw dockerfileError(
        at,
        `invalid ESCAPE "${value.slice(0, 40)}": it must be a backslash or a backtick`,
      );
    }
    if (key === 'syntax' && !OWN_SYNTAX.test(value)) {
      throw dockerfileError(
        at,
        `the frontend ${value.slice(0, 200)} is not supported: this builder reads docker/dockerfile itself and runs no frontend images`,
      );
    }
    if (key === 'check') readCheck(at, value);
    found.set(key, value);
  }
  const syntax = found.get('syntax');
  const check = found.get('check');
  return {
    escapeToken: found.get('escape') === '`' ? '`' : '\\',
    ...(syntax === undefined ? {} : { syntax }),
    ...(check === undefined ? {} : { check: parseCheckOptions(check) }),
  };
}

function readCheck(at: Location, value: string): void {
  try {
    parseCheckOptions(value);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw dockerfileError(at, error.message, { cause: error });
  }
}
