import { EngineError } from '../../errors.ts';
import type { ImageRunConfig } from '../../images/image.ts';
import { exposedPorts } from '../../networks/plan/port-bindings.ts';
import type { ContainerConfig } from '../container-info.ts';
import { mergeHealthcheck } from './health.ts';

/**
 * Merges the container's configuration with the image's defaults as dockerd does; `docker inspect` shows the result. A
 * command in the request replaces the image's command; an entrypoint in the request drops the image's command too, and
 * `['']` drops the image's entrypoint. The image's variables follow the user's, unless those set them.
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

/** Adds the protocol to ports: `80` means `80/tcp`, and would otherwise be shown beside it. */
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

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Returns the process's environment in dockerd's order: PATH, HOSTNAME, TERM for a terminal, variables of links, then
 * the container's own, each name once at its first position. An entry without `=` removes the variable.
 */
export function processEnvironment(
  config: ContainerConfig,
  home: string,
  /** Variables of linked containers. */
  links: readonly string[] = [],
): readonly string[] {
  const variables = new Map<string, string>();
  variables.set('PATH', `PATH=${DEFAULT_PATH}`);
  variables.set('HOSTNAME', `HOSTNAME=${config.Hostname}`);
  if (config.Tty) variables.set('TERM', 'TERM=xterm');
  for (const entry of links) variables.set(variableName(entry), entry);
  for (const entry of config.Env) {
    const name = variableName(entry);
    if (entry.includes('=')) variables.set(name, entry);
    else variables.delete(name);
  }
  // Runtimes set this too, but differ.
  if (!variables.has('HOME')) variables.set('HOME', `HOME=${home}`);
  return [...variables.values()];
}

/** A container that another one is linked to on the default network. */
export interface LinkedContainer {
  readonly alias: string;
  readonly address: string;
  readonly config: Pick<ContainerConfig, 'Env' | 'ExposedPorts'>;
}

/** Maximum bytes of link variables: the kernel passes no more to a program (execve(2)). */
const MAX_LINKED_BYTES = 6 << 20;

/** Variables that links never pass on. */
const NOT_PASSED = new Set(['HOME', 'PATH']);

interface Port {
  readonly port: number;
  readonly protocol: string;
}

/**
 * Returns the variables of all links for the container named `parent`. Throws EngineError 'runtime' beyond the kernel's
 * limit.
 */
export function linksEnvironment(parent: string, links: Iterable<LinkedContainer>): readonly string[] {
  const entries: string[] = [];
  let bytes = 0;
  for (const link of links) {
    for (const entry of linkEnvironment(parent, link)) {
      bytes += entry.length + 1;
      if (bytes > MAX_LINKED_BYTES) {
        const why = `the linked containers of ${parent} have more than ${MAX_LINKED_BYTES} bytes of variables: link to fewer containers, or to ones that expose fewer ports`;
        throw new EngineError('runtime', why);
      }
      entries.push(entry);
    }
  }
  return entries;
}

/**
 * Returns the variables of a link for the container named `parent`: `ALIAS_PORT_80_TCP_ADDR` and similar ones for each
 * exposed port and port range, and the linked container's own environment.
 */
function linkEnvironment(parent: string, { alias, address, config }: LinkedContainer): readonly string[] {
  const name = alias.toUpperCase().replaceAll('-', '_');
  const ports = [...exposedPorts(Object.keys(config.ExposedPorts ?? {}))].sort(
    (a, b) => a.port - b.port || (a.protocol === 'tcp' ? -1 : 1),
  );
  const url = ({ port, protocol }: Port) => `${protocol}://${address}:${port}`;
  const prefix = ({ port, protocol }: Port) => `${name}_PORT_${port}_${protocol.toUpperCase()}`;
  const [lowest] = ports;
  return [
    ...(lowest === undefined ? [] : [`${name}_PORT=${url(lowest)}`]),
    ...runsOf(ports).flatMap(([start, end]) => [
      `${prefix(start)}_START=${url(start)}`,
      `${prefix(start)}_PORT_START=${start.port}`,
      `${prefix(start)}_END=${url(end)}`,
      `${prefix(start)}_PORT_END=${end.port}`,
    ]),
    ...ports.flatMap((port) => [
      `${prefix(port)}=${url(port)}`,
      `${prefix(port)}_ADDR=${address}`,
      `${prefix(port)}_PORT=${port.port}`,
      `${prefix(port)}_PROTO=${port.protocol}`,
    ]),
    `${name}_NAME=/${parent}/${alias}`,
    ...config.Env.filter((entry) => entry.includes('=') && !NOT_PASSED.has(variableName(entry))).map(
      (entry) => `${name}_ENV_${entry}`,
    ),
  ];
}

/** Returns the first and last port of each range of consecutive ports of one protocol. */
function runsOf(ports: readonly Port[]): readonly (readonly [Port, Port])[] {
  const runs: [Port, Port][] = [];
  for (const protocol of new Set(ports.map((port) => port.protocol))) {
    for (const port of ports.filter((candidate) => candidate.protocol === protocol)) {
      const last = runs.at(-1);
      if (last?.[1].protocol === protocol && last[1].port + 1 === port.port) last[1] = port;
      else runs.push([port, port]);
    }
  }
  return runs.filter(([start, end]) => start !== end);
}
