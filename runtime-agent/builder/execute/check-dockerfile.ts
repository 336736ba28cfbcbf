import { EngineError } from '../../errors.ts';
import type { BuildProgress } from '../builder.ts';
import { type CheckOptions, parseCheckOptions } from '../frontend/directives.ts';
import { lintDockerfile } from '../frontend/lint/lint-dockerfile.ts';
import type { Dockerfile } from '../frontend/parse-dockerfile.ts';
import type { GivenArguments } from '../solver/build-arguments.ts';

/** By which a client asks for checks whatever the Dockerfile says. */
const ARGUMENT = 'BUILDKIT_DOCKERFILE_CHECK';

/**
 * Tells of what could be better in a Dockerfile that asks for it, as warnings of the step `id`. Throws EngineError 'bad-request' where that is to
 * fail the build.
 */
export function checkDockerfile(
  dockerfile: Dockerfile,
  given: GivenArguments,
  id: string,
  progress: (step: BuildProgress) => void,
): void {
  const options = askedOptions(dockerfile, given);
  if (options === undefined) return;
  const findings = lintDockerfile(dockerfile, options);
  for (const { rule, message, at } of findings) {
    const { line } = at;
    progress({ kind: 'warning', id, message: `${rule}: ${message} (line ${line})`, line });
  }
  if (!options.failsBuild || findings.length === 0) return;
  const rules = [...new Set(findings.map(({ rule }) => rule))].sort();
  const lines = findings.map(({ rule, message, at }) => `${at.text.name}:${at.line}: ${rule}: ${message}`);
  throw new EngineError(
    'bad-request',
    [`lint violation found for rules: ${rules.join(', ')}`, ...lines].join('\n'),
  );
}

function askedOptions({ check }: Dockerfile, given: GivenArguments): CheckOptions | undefined {
  const asked = given.get(ARGUMENT);
  if (asked === undefined || asked === '') return check;
  try {
    return parseCheckOptions(asked);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new EngineError('bad-request', `${ARGUMENT}: ${error.message}`, { cause: error });
  }
}
