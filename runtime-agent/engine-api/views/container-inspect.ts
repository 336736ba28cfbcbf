import type { ContainerConfig, ContainerInfo } from '../../containers/container-info.ts';
import { showHostConfig } from '../../containers/host-config.ts';
import { parseSecurityOptions } from '../../containers/plan/security.ts';
import { apparmorProfile } from '../../oci-runner/apparmor.ts';
import { etcFilesBeside } from '../../oci-runner/run-paths.ts';
import type { HostFacts } from '../host-facts.ts';
import { mountPointsView } from './mount-view.ts';
import { type FixedNetworks, networkSettings } from './network-settings.ts';
import { isUp, shownStatus, ZERO_TIME } from './status-text.ts';

/** `GET /containers/{id}/json` (Engine API, ContainerInspect). */
export function containerInspect(
  container: ContainerInfo,
  host: HostFacts,
  execIds: readonly string[],
  /** Links on the default network, by current names. */
  links: readonly string[],
  aliases: 'as-given' | 'with-id',
  fixed: FixedNetworks,
): object {
  const { state } = container;
  return {
    Id: container.id,
    Created: container.createdAt,
    Path: container.path,
    Args: container.args,
    State: {
      Status: shownStatus(state),
      Running: isUp(state),
      Paused: state.status === 'paused',
      Restarting: state.status === 'restarting',
      OOMKilled: state.oomKilled,
      Dead: state.status === 'dead',
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt,
      FinishedAt: state.finishedAt,
      ...(state.health === undefined ? {} : { Health: state.health }),
    },
    Image: container.imageId,
    ...filePaths(container),
    Name: `/${container.name}`,
    RestartCount: state.restartCount,
    Driver: host.storageDriver,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: profileOf(container, host),
    ExecIDs: execIds.length === 0 ? null : execIds,
    HostConfig: showHostConfig(container.hostConfig, { runtime: host.runtime.name, links }),
    GraphDriver: { Data: null, Name: host.storageDriver },
    Mounts: mountPointsView(container),
    Config: runConfigView(container.config),
    NetworkSettings: networkSettings(container, aliases, fixed),
  };
}

/** The files are created at the first start. */
function filePaths(container: ContainerInfo): object {
  const isMade = container.state.startedAt !== ZERO_TIME;
  const { resolvConf, hostname, hosts } = etcFilesBeside(container.logPath);
  const keepsLog = container.hostConfig.LogConfig.Type !== 'none';
  return {
    ResolvConfPath: isMade ? resolvConf : '',
    HostnamePath: isMade ? hostname : '',
    HostsPath: isMade ? hosts : '',
    LogPath: isMade && keepsLog ? container.logPath : '',
  };
}

function profileOf({ hostConfig }: ContainerInfo, host: HostFacts): string {
  const { apparmor } = parseSecurityOptions(hostConfig.SecurityOpt);
  return apparmorProfile(apparmor, hostConfig.Privileged, host.apparmor) ?? '';
}

/** The `Config` object of container and image inspect, with every field that clients read. */
function runConfigView(config: ContainerConfig): object {
  return {
    Hostname: config.Hostname,
    Domainname: config.Domainname,
    User: config.User,
    AttachStdin: config.AttachStdin,
    AttachStdout: config.AttachStdout,
    AttachStderr: config.AttachStderr,
    ...(config.ExposedPorts === undefined ? {} : { ExposedPorts: config.ExposedPorts }),
    Tty: config.Tty,
    OpenStdin: config.OpenStdin,
    StdinOnce: config.StdinOnce,
    Env: config.Env,
    Cmd: config.Cmd,
    ...(config.Healthcheck === undefined ? {} : { Healthcheck: config.Healthcheck }),
    Image: config.Image,
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir,
    Entrypoint: config.Entrypoint,
    ...(config.MacAddress === undefined ? {} : { MacAddress: config.MacAddress }),
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels,
    ...(config.StopSignal === undefined ? {} : { StopSignal: config.StopSignal }),
    ...(config.StopTimeout === undefined ? {} : { StopTimeout: config.StopTimeout }),
    ...(config.Shell === undefined ? {} : { Shell: config.Shell }),
  };
}
