import { isIP } from 'node:net';
import { EngineError } from '../../errors.ts';
import { networkMode } from '../../networks/plan/place-container.ts';
import type { ContainerConfig } from '../container-info.ts';
import type { HostConfig } from '../host-config.ts';
import { cleanPath } from './bind-text.ts';
import { validateHealthcheck } from './health.ts';
import { checkLogDetails, planLog } from './log-options.ts';
import { planMountPoints, planTmpfs } from './mount-points.ts';
import { tmpfsMount } from './mounts.ts';
import { parseRestartPolicy } from './restart-policy.ts';
import { parseSecurityOptions } from './security.ts';
import { parseSignal } from './signals.ts';
import { validateResources } from './validate-resources.ts';

/** Maximum bytes for sethostname(2). */
const HOSTNAME_MAX = 64;

const SYSCTLS = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);
const ULIMITS = new Set(
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  ),
);

/**
 * Refuses invalid and unsupported settings; none is silently ignored. `cpus` is the number of the host's processors. Throws
 * EngineError 'bad-request' or 'not-implemented'.
 */
export function validateRequest(config: ContainerConfig, hostConfig: HostConfig, cpus: number): void {
  validateConfig(config);
  validateResources(hostConfig, cpus);
  checkNetworkMode(config, hostConfig);
  validateSysctls(hostConfig.Sysctls, networkMode(hostConfig.NetworkMode).kind === 'host');
  validateUlimits(hostConfig);
  if (hostConfig.UTSMode === 'host' && config.Hostname !== '') {
    refuse('conflicting options: hostname and the UTS mode');
  }
  parseSecurityOptions(hostConfig.SecurityOpt);
  parseRestartPolicy(hostConfig);
  planLog(hostConfig.LogConfig);
  checkLogDetails(hostConfig.LogConfig.Config);
  for (const [path, options] of Object.entries(hostConfig.Tmpfs)) {
    if (!path.startsWith('/') || (path.split('/').includes('..') && cleanPath(path) !== '/')) {
      refuse(`invalid mount path: '${path.slice(0, 80)}' mount path must be absolute`);
    }
    if (cleanPath(path) === '/') refuse("invalid specification: destination can't be '/'");
    tmpfsMount(path, options);
  }
  planMountPoints(config, hostConfig, []);
  planTmpfs(hostConfig.Mounts);
  if (Object.hasOwn(hostConfig.Annotations, '')) {
    refuse('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  if (hostConfig.ShmSize < 0) refuse('SHM size can not be less than 0');
  if (hostConfig.OomScoreAdj < -1000 || hostConfig.OomScoreAdj > 1000) {
    refuse(`Invalid value ${hostConfig.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
}

function validateConfig(config: ContainerConfig): void {
  if (config.WorkingDir !== '' && !config.WorkingDir.startsWith('/')) {
    refuse(
      `the working directory '${config.WorkingDir.slice(0, 80)}' is invalid, it needs to be an absolute path`,
    );
  }
  for (const variable of config.Env) {
    if (variable === '' || variable.startsWith('=') || variable.includes('\0')) {
      refuse(`invalid environment variable: ${variable.slice(0, 80)}`);
    }
  }
  for (const text of [config.User, config.WorkingDir, ...(config.Entrypoint ?? []), ...(config.Cmd ?? [])]) {
    if (text.includes('\0')) refuse('a command, user or folder cannot contain a zero byte');
  }
  for (const name of [config.Hostname, config.Domainname]) checkHostname(name);
  if (config.StopSignal !== undefined && config.StopSignal !== '') parseSignal(config.StopSignal);
  validateHealthcheck(config.Healthcheck);
}

/**
 * Checks a host name. dockerd accepts any name that the kernel accepts, but white space would add names to /etc/hosts.
 */
function checkHostname(name: string): void {
  if (/[\s\p{Cc}]/u.test(name)) refuse(`invalid hostname format: ${name.slice(0, 80)}`);
  if (Buffer.byteLength(name) > HOSTNAME_MAX) refuse(`invalid hostname: at most ${HOSTNAME_MAX} bytes`);
}

function validateSysctls(sysctls: Readonly<Record<string, string>>, hostNetwork: boolean): void {
  for (const name of Object.keys(sysctls)) {
    const ofNetwork = name.startsWith('net.');
    if ((!ofNetwork && !name.startsWith('fs.mqueue.') && !SYSCTLS.has(name)) || /[/\s]|\.\./.test(name)) {
      refuse(
        `sysctl '${name.slice(0, 80)}' is not allowed: it does not belong to a namespace of the container`,
      );
    }
    if (ofNetwork && hostNetwork)
      refuse(`sysctl '${name.slice(0, 80)}' not allowed in host network namespace`);
  }
}

function validateUlimits(hostConfig: HostConfig): void {
  for (const { Name, Soft, Hard } of hostConfig.Ulimits) {
    if (!ULIMITS.has(Name)) refuse(`invalid ulimit type: ${Name.slice(0, 40)}`);
    if (Hard >= 0 && (Soft > Hard || Soft < 0)) {
      refuse(`ulimit soft limit must be less than or equal to hard limit: soft: ${Soft}, hard: ${Hard}`);
    }
  }
}

/**
 * Throws EngineError 'bad-request', with dockerd's message, for options that conflict with the host's or another
 * container's network, and for DNS servers without an address.
 */
function checkNetworkMode(config: ContainerConfig, hostConfig: HostConfig): void {
  const mode = networkMode(hostConfig.NetworkMode);
  if ((hostConfig.Links ?? []).length > 0 && (mode.kind === 'host' || mode.kind === 'container')) {
    const type = mode.kind === 'host' ? 'host type networking' : 'container type network';
    refuse(`conflicting options: ${type} can't be used with links. This would result in undefined behavior`);
  }
  for (const server of hostConfig.Dns) {
    if (isIP(server) === 0) refuse(`bad nameserver address ${server.slice(0, 80)}: not an IP address`);
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
