import { EngineError } from '../../errors.ts';
import { networkMode } from '../../networks/plan/network-mode.ts';
import type { ContainerConfig, HostConfig } from '../container.ts';

/** Throws EngineError 'bad-request' for options that a container cannot have in the host's network or another one's, as dockerd words it. */
export function checkNetworkMode(config: ContainerConfig, hostConfig: HostConfig): void {
  const mode = networkMode(hostConfig.NetworkMode);
  if ((hostConfig.Links ?? []).length > 0 && (mode.kind === 'host' || mode.kind === 'container')) {
    const type = mode.kind === 'host' ? 'host type networking' : 'container type network';
    refuse(`conflicting options: ${type} can't be used with links. This would result in undefined behavior`);
  }
  if (mode.kind !== 'container') return;
  if (mode.container === '') {
    refuse('Invalid network mode: invalid container format container:<name|id>');
  }
  if (config.Hostname !== '') refuse('conflicting options: hostname and the network mode');
  if (hostConfig.Dns.length > 0) refuse('conflicting options: dns and the network mode');
  if (hostConfig.ExtraHosts.length > 0) {
    refuse('conflicting options: custom host-to-IP mapping and the network mode');
  }
  if (Object.keys(hostConfig.PortBindings).length > 0 || hostConfig.PublishAllPorts) {
    refuse('conflicting options: port publishing and the container type network mode');
  }
  if (Object.keys(config.ExposedPorts ?? {}).length > 0) {
    refuse('conflicting options: port exposing and the container type network mode');
  }
}

function refuse(message: string): never {
  throw new EngineError('bad-request', message);
}
