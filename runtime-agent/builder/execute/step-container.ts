import { availableParallelism, hostname as osHostname } from 'node:os';
import { NEVER } from '../../../lib/time/timestamp.ts';
import { type ContainerInfo, NEW_STATE } from '../../containers/container-info.ts';
import { validateRequest } from '../../containers/plan/validate.ts';
import { DEFAULT_ENDPOINT } from '../../networks/network.ts';
import { networkMode } from '../../networks/plan/place-container.ts';
import type { BuildRequest, StepLimits } from '../builder.ts';
import type { RunOp } from '../solver/step.ts';
import type { RunContext } from './run-context.ts';

/** Settings of the build for its steps. */
export interface RunSettings {
  /** Default network of steps: `default`, `none`, `host`, or a network. */
  readonly network: string;
  readonly extraHosts: readonly string[];
  readonly shmSize: number | undefined;
  readonly limits: StepLimits;
}

/** Describes a step's process as a container; only the builder knows it. */
export function stepContainer(
  { defaults }: Pick<RunContext, 'defaults'>,
  id: string,
  op: RunOp,
  settings: RunSettings,
): ContainerInfo {
  const wanted = op.network === 'default' ? settings.network : op.network;
  const mode = networkMode(wanted);
  const [path = '', ...args] = op.args;
  return {
    id,
    name: `build-${id.slice(0, 12)}`,
    createdAt: NEVER,
    config: {
      ...defaults.config,
      Hostname: mode.kind === 'host' ? osHostname() : id.slice(0, 12),
      User: op.user,
      Env: [...op.hiddenEnv, ...op.env],
      Cmd: op.args,
      WorkingDir: op.cwd,
    },
    hostConfig: {
      ...defaults.hostConfig,
      ...settings.limits,
      NetworkMode: wanted,
      Privileged: op.security === 'insecure',
      ExtraHosts: settings.extraHosts,
      ShmSize: settings.shmSize ?? defaults.hostConfig.ShmSize,
    },
    networks: mode.kind === 'networks' ? { [mode.first]: DEFAULT_ENDPOINT } : {},
    activeNetwork: undefined,
    imageId: '',
    path,
    args,
    state: NEW_STATE,
    logPath: '',
    mounts: [],
  };
}

/**
 * Returns the settings of each RUN of a build. Throws EngineError 'bad-request' for values that a container cannot
 * have.
 */
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
