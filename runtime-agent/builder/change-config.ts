import type { ImageConfigDefaults } from '../../oci/image-config.ts';
import { EngineError } from '../errors.ts';
import { parseDockerfile } from './frontend/parse-dockerfile.ts';
import { planStage } from './solver/plan-stage.ts';

/** The instructions that `--change` takes, as dockerd has them. */
const TAKEN: ReadonlySet<string> = new Set([
  'cmd',
  'entrypoint',
  'env',
  'expose',
  'healthcheck',
  'label',
  'onbuild',
  'stopsignal',
  'user',
  'volume',
  'workdir',
]);

/**
 * Returns the configuration after the instructions of `--change`, each one line of a Dockerfile. Throws EngineError
 * 'bad-request' that names the instruction.
 */
export function changeConfig(base: ImageConfigDefaults, changes: readonly string[]): ImageConfigDefaults {
  if (changes.length === 0) return base;
  const dockerfile = parseDockerfile('--change', ['FROM scratch', ...changes].join('\n'));
  const [stage, ...more] = dockerfile.stages;
  const wrong = stage?.instructions.find(({ kind }) => !TAKEN.has(kind));
  if (stage === undefined || more.length > 0 || wrong !== undefined) {
    const name = wrong?.kind.toUpperCase() ?? 'FROM';
    throw new EngineError('bad-request', `${name} is not a valid change command`);
  }
  const none = new Map<string, never>();
  const plan = planStage({
    scope: { dockerfile, global: { values: none, platforms: none }, namedContexts: none },
    needed: { stage, base: { kind: 'scratch' }, instructions: stage.instructions },
    baseConfig: base,
    given: none,
  });
  return { ...(base.OnBuild && { OnBuild: base.OnBuild }), ...plan.config };
}
