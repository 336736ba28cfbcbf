import type { Container, Health } from '../../containers/container.ts';
import type { HostFacts } from '../host-facts.ts';
import { hostConfigView } from './host-config-view.ts';
import { mountPointsView } from './mount-view.ts';
import { networkSettings } from './network-settings.ts';
import { runConfigView } from './run-config-view.ts';
import { isUp, shownStatus } from './status-text.ts';

/** `GET /containers/{id}/json` (Engine API, ContainerInspect). */
export function containerInspect(container: Container, host: HostFacts, execIds: readonly string[]): object {
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
      ...(state.health === undefined ? {} : { Health: healthView(state.health) }),
    },
    Image: container.imageId,
    ResolvConfPath: '',
    HostnamePath: '',
    HostsPath: '',
    LogPath: container.logPath,
    Name: `/${container.name}`,
    RestartCount: state.restartCount,
    Driver: host.storageDriver,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: execIds.length === 0 ? null : execIds,
    HostConfig: hostConfigView(container.hostConfig, host),
    GraphDriver: { Data: null, Name: host.storageDriver },
    Mounts: mountPointsView(container),
    Config: runConfigView(container.config),
    NetworkSettings: networkSettings(container),
  };
}

/** The log is null before the first probe, as Go writes an empty list. */
function healthView(health: Health): object {
  return { ...health, Log: health.Log.length === 0 ? null : health.Log };
}
