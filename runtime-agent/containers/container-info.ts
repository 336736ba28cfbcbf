import { NEVER } from '../../lib/time/timestamp.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Platform } from '../images/image.ts';
import type { ActiveNetwork, EndpointSettings } from '../networks/network.ts';
import type { HostConfig } from './host-config.ts';

/** The configuration that `docker create` sends and `docker inspect` shows, with the Engine API's field names. */
export interface ContainerConfig {
  readonly Hostname: string;
  readonly Domainname: string;
  readonly User: string;
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly Tty: boolean;
  readonly OpenStdin: boolean;
  readonly StdinOnce: boolean;
  readonly Env: readonly string[];
  readonly Cmd: readonly string[] | null;
  readonly Entrypoint: readonly string[] | null;
  readonly Image: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly WorkingDir: string;
  /** MAC address on the network of NetworkMode, as clients of API versions before 1.44 send it. */
  readonly MacAddress?: string;
  readonly StopSignal?: string;
  /** In seconds. */
  readonly StopTimeout?: number;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly Healthcheck?: HealthConfig;
  /** The shell of a CMD-SHELL health check; `/bin/sh -c` by default. A committed image keeps it. */
  readonly Shell?: readonly string[];
  /** ONBUILD instructions of a committed image. */
  readonly OnBuild?: readonly string[];
}

/** A health check. Fields that are absent or 0 have Docker's defaults. Durations are nanoseconds. */
export interface HealthConfig {
  /** `["CMD", …]`, `["CMD-SHELL", text]` or `["NONE"]`; if absent or empty, the image's. */
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** Mount propagation between the host and a container (mount_namespaces(7)); `r` includes submounts. */
export type Propagation = 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';

/** A volume, or a file or folder of the host, and its path in a container. */
export interface MountPoint {
  readonly type: 'bind' | 'volume';
  /** Name of the volume; absent for a bind. */
  readonly name?: string;
  /**
   * Set if the client named the volume, so that removing the container keeps it, even if it was created without a name.
   */
  readonly isNamed?: true;
  /** Path on the host. */
  readonly source: string;
  readonly destination: string;
  /** The options as the client sent them. */
  readonly mode: string;
  readonly writable: boolean;
  readonly propagation: '' | Propagation;
  /** Whether submounts of the source are included. */
  readonly recursive: boolean;
  /** How submounts of a read-only mount are mounted; undefined means read-only if the kernel supports it. */
  readonly below?: 'writable' | 'readonly';
  /** Whether an empty volume must still be filled from the image. */
  readonly copyUp: boolean;
  /** The mounted file or folder inside the volume; '' is the whole volume. */
  readonly subpath: string;
}

export type ContainerStatus =
  | 'created'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'exited'
  | 'dead'
  | 'removing';

/** The results of a container's probes, as inspect shows them. */
export interface Health {
  readonly Status: 'starting' | 'healthy' | 'unhealthy';
  /** Consecutive failures outside the start period. */
  readonly FailingStreak: number;
  /** The last five probes, oldest first. */
  readonly Log: readonly HealthLogEntry[];
}

export interface HealthLogEntry {
  /** RFC 3339 with nanoseconds. */
  readonly Start: string;
  readonly End: string;
  /** -1 if the probe could not be run or timed out. */
  readonly ExitCode: number;
  readonly Output: string;
}

export interface ContainerState {
  readonly status: ContainerStatus;
  /** PID of the container's first process in the host's pid namespace; 0 if it is not running. */
  readonly pid: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why the last start failed; '' if it succeeded. */
  readonly error: string;
  /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` if it has not happened. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** Restarts by the restart policy since a client started it. */
  readonly restartCount: number;
  /** Whether a client has stopped, killed or removed it since its last start; the agent does not restart it then. */
  readonly stoppedByUser: boolean;
  /** Absent in containers without a health check. */
  readonly health?: Health;
}

/** dockerd's exit code of containers whose end was not observed, as after a reboot. */
export const UNSEEN_EXIT = 255;

/** The state of a container that has never been started. */
export const NEW_STATE: ContainerState = {
  status: 'created',
  pid: 0,
  exitCode: 0,
  oomKilled: false,
  error: '',
  startedAt: NEVER,
  finishedAt: NEVER,
  restartCount: 0,
  stoppedByUser: false,
};

/** The part of its image that a container needs while it exists. */
export interface ContainerBase {
  /** The lowest layer first. */
  readonly diffIds: readonly Digest[];
  readonly platform: Platform;
}

export interface ContainerInfo {
  /** 64 lower-case hex digits. */
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  /** RFC 3339 with nanoseconds. */
  readonly createdAt: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** The container's networks by name; empty where NetworkMode shares or disables networks. */
  readonly networks: Readonly<Record<string, EndpointSettings>>;
  /** Its current endpoints; undefined if it is not running. */
  readonly activeNetwork: ActiveNetwork | undefined;
  readonly imageId: string;
  /** Absent in containers of an earlier agent. */
  readonly base?: ContainerBase;
  /** The program and its arguments: entrypoint and command with the image's defaults. */
  readonly path: string;
  readonly args: readonly string[];
  readonly state: ContainerState;
  readonly logPath: string;
  readonly mounts: readonly MountPoint[];
}
