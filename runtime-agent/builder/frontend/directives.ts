import { type DockerfileText, dockerfileError, type Location } from './dockerfile-text.ts';

/** The options of `# check=…`, or the build argument BUILDKIT_DOCKERFILE_CHECK (reference, "check"). */
export interface CheckOptions {
  /** Names of rules that are skipped. */
  readonly skip: ReadonlySet<string> | 'all';
  /** Whether a finding fails the build. */
  readonly failsBuild: boolean;
}

/** Parses `skip=RuleOne,RuleTwo;error=true`. Throws a SyntaxError that says what is wrong. */
export function parseCheckOptions(text: string): CheckOptions {
  let skip: CheckOptions['skip'] = new Set();
  let failsBuild = false;
  for (const part of text.split(';').map((each) => each.trim())) {
    if (part === '') continue;
    const [name = '', value = ''] = part.split('=', 2).map((word) => word.trim());
    if (name === 'skip') {
      const rules = value
        .split(',')
        .map((rule) => rule.trim())
        .filter(Boolean);
      skip = rules.includes('all') ? 'all' : new Set(rules);
    } else if (name === 'error') {
      if (value !== 'true' && value !== 'false') {
        throw new SyntaxError(`failed to parse check option "error=${value}": it is true or false`);
      }
      failsBuild = value === 'true';
    } else if (name !== 'experimental') {
      throw new SyntaxError(`invalid check option "${name.slice(0, 40)}": there are skip and error`);
    }
  }
  return { skip, failsBuild };
}

/** The parser directives at the top of a Dockerfile (reference, "Parser directives"). */
export interface Directives {
  readonly escapeToken: '\\' | '`';
  /** The image of a frontend; only this builder's own language is supported. */
  readonly syntax?: string;
  readonly check?: CheckOptions;
}

const DIRECTIVE = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)$/;
const KNOWN = ['escape', 'syntax', 'check'] as const;
/** Frontends whose language this builder implements. */
const OWN_SYNTAX = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::|@|$)/;

/**
 * Reads the directives. Throws EngineError 'bad-request' for a duplicate, or one that this builder does not support.
 */
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
