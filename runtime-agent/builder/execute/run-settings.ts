import { availableParallelism } from 'node:os';
import { validateRequest } from '../../containers/plan/validate.ts';
import type { BuildRequest } from '../builder.ts';
import type { RunContext } from './run-context.ts';
import type { RunSettings } from './step-container.ts';

/** What a build gives each of its RUNs. Throws EngineError 'bad-request' for what no container could have. */
export function runSettings(
  { defaults }: Pick<RunContext, 'defaults'>,
  request: Pick<BuildRequest, 'network' | 'extraHosts' | 'shmSize' | 'limits'>,
): RunSettings {
  const { network, extraHosts, shmSize, limits = {} } = request;
  const { config, hostConfig } = defaults;
  const asked = { ...hostConfig, ...limits, ExtraHosts: extraHosts, ShmSize: shmSize ?? hostConfig.ShmSize };
  validateRequest(config, asked, availableParallelism());
  return { network, extraHosts, shmSize, limits };
}
