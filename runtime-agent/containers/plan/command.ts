import { EngineError } from '../../errors.ts';
import type { ImageRunConfig } from '../../images/image.ts';
import type { ContainerConfig } from '../container-info.ts';
import { mergeHealthcheck } from './health.ts';

/**
 * The container's configuration after the image's defaults, as dockerd merges them and `docker inspect` shows them.
 * A command that is given replaces the image's command; an entrypoint that is given drops the image's command too,
 * and `['']` drops the image's entrypoint. The image's variables come after the user's, where those do not set them.
 */
export function mergeImageConfig(config: ContainerConfig, image: ImageRunConfig): ContainerConfig {
  const inherits = !isGiven(config.Entrypoint);
  const cmd = isGiven(config.Cmd) ? config.Cmd : inherits ? (image.Cmd ?? null) : null;
  const entrypoint = config.Entrypoint ?? image.Entrypoint ?? null;
  const named = new Set(config.Env.map(variableName));
  const stopSignal = config.StopSignal ?? image.StopSignal;
  const exposed = { ...withProtocols(image.ExposedPorts), ...withProtocols(config.ExposedPorts) };
  const healthcheck = mergeHealthcheck(config.Healthcheck, image.Healthcheck);
  const volumes = { ...image.Volumes, ...config.Volumes };
  return {
    ...config,
    User: config.User === '' ? (image.User ?? '') : config.User,
    Env: [...config.Env, ...(image.Env ?? []).filter((entry) => !named.has(variableName(entry)))],
    Cmd: cmd,
    Entrypoint: entrypoint?.length === 1 && entrypoint[0] === '' ? null : entrypoint,
    Labels: { ...image.Labels, ...config.Labels },
    WorkingDir: config.WorkingDir === '' ? (image.WorkingDir ?? '') : config.WorkingDir,
    ...(stopSignal === undefined || stopSignal === '' ? {} : { StopSignal: stopSignal }),
    ...(Object.keys(exposed).length === 0 ? {} : { ExposedPorts: exposed }),
    ...(Object.keys(volumes).length === 0 ? {} : { Volumes: volumes }),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
  };
}

/**
 * Returns the program and its arguments: the entrypoint, then the command. Throws EngineError 'bad-request' when there is
 * neither.
 */
export function commandLine(config: ContainerConfig): {
  readonly path: string;
  readonly args: readonly string[];
} {
  const [path, ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (path === undefined) throw new EngineError('bad-request', 'no command specified');
  return { path, args };
}

/** `80` means `80/tcp`, beside which it would be shown twice. */
function withProtocols(ports: ContainerConfig['ExposedPorts'] | null): ContainerConfig['ExposedPorts'] {
  return Object.fromEntries(
    Object.entries(ports ?? {}).map(([port, value]) => [
      port.includes('/') ? port.toLowerCase() : `${port}/tcp`,
      value,
    ]),
  );
}

function isGiven(list: readonly string[] | null): list is readonly string[] {
  return list !== null && list.length > 0;
}

/** Returns the name of a `NAME=value` entry; the whole entry if it has no `=`. */
export function variableName(entry: string): string {
  const sign = entry.indexOf('=');
  return sign < 0 ? entry : entry.slice(0, sign);
}
