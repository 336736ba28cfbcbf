import { NEVER } from '../../lib/time/timestamp.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Platform } from '../images/image.ts';
import type { ActiveNetwork, EndpointSettings, PortBindings } from '../networks/network.ts';

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
  /** Seconds. */
  readonly StopTimeout?: number;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly Healthcheck?: HealthConfig;
  /** The shell of a CMD-SHELL health check; `/bin/sh -c` unless given. A committed image keeps it. */
  readonly Shell?: readonly string[];
  /** ONBUILD instructions of a committed image. */
  readonly OnBuild?: readonly string[];
}

/** A health check. Fields that are absent or 0 have Docker's defaults. Durations are nanoseconds. */
export interface HealthConfig {
  /** `["CMD", …]`, `["CMD-SHELL", text]` or `["NONE"]`; absent or empty: the image's. */
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** The part of HostConfig that the agent supports. Other settings are refused at create, never ignored. */
export interface HostConfig {
  readonly AutoRemove: boolean;
  /** Bytes; 0 is no limit. */
  readonly Memory: number;
  /** Memory plus swap in bytes; 0 means twice Memory, -1 no limit. */
  readonly MemorySwap: number;
  readonly MemoryReservation: number;
  /** Billionths of a CPU; 0 is no limit. */
  readonly NanoCpus: number;
  readonly CpuShares: number;
  /** Microseconds. */
  readonly CpuPeriod: number;
  readonly CpuQuota: number;
  readonly CpusetCpus: string;
  readonly CpusetMems: string;
  /** Maximum processes and threads; 0: no limit; -1: an update removed the limit, and inspect shows 0. */
  readonly PidsLimit: number;
  readonly OomScoreAdj: number;
  readonly OomKillDisable: boolean;
  readonly ReadonlyRootfs: boolean;
  readonly Privileged: boolean;
  readonly CapAdd: readonly string[];
  readonly CapDrop: readonly string[];
  readonly SecurityOpt: readonly string[];
  readonly GroupAdd: readonly string[];
  /** Bytes of /dev/shm. */
  readonly ShmSize: number;
  readonly Tmpfs: Readonly<Record<string, string>>;
  /** `SOURCE:DESTINATION[:OPTIONS]`, where the source is a path of the host or a volume. */
  readonly Binds: readonly string[];
  readonly Mounts: readonly MountRequest[];
  /** `CONTAINER[:ro|:rw]`. */
  readonly VolumesFrom: readonly string[];
  readonly VolumeDriver: string;
  readonly Ulimits: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[];
  readonly Sysctls: Readonly<Record<string, string>>;
  readonly Init: boolean;
  readonly NetworkMode: string;
  readonly PortBindings: PortBindings;
  readonly PublishAllPorts: boolean;
  readonly Dns: readonly string[];
  readonly DnsOptions: readonly string[];
  readonly DnsSearch: readonly string[];
  /** `name:address`, as `--add-host` has it. */
  readonly ExtraHosts: readonly string[];
  /** Rows and columns of the terminal at its start; absent: the client sends them later. */
  readonly ConsoleSize?: readonly [rows: number, columns: number];
  /** `default`, which inspect repeats, or absent. */
  readonly Isolation?: string;
  readonly RestartPolicy: { readonly Name: string; readonly MaximumRetryCount: number };
  /** '' for its own namespace, otherwise `host` or `container:ID`. */
  readonly PidMode: string;
  /** `private`, `shareable`, `none` (without /dev/shm), `host` or `container:ID`. */
  readonly IpcMode: string;
  /** '' for its own namespace, otherwise `host`. */
  readonly UTSMode: string;
  /** '' or `host`, which mean the same since users are not remapped. */
  readonly UsernsMode: string;
  readonly CgroupnsMode: 'host' | 'private';
  /** Path of the parent cgroup from the root of each hierarchy; '': the agent's default. */
  readonly CgroupParent: string;
  readonly Devices: readonly DeviceMapping[];
  /** `TYPE MAJOR:MINOR ACCESS`, as `c 1:3 rw` or `b *:* m`. */
  readonly DeviceCgroupRules: readonly string[];
  readonly BlockIo: BlockIo;
  /** Microseconds; 0 is none. */
  readonly CpuRealtimePeriod: number;
  readonly CpuRealtimeRuntime: number;
  /** 0 to 100; null: the host's setting. */
  readonly MemorySwappiness: number | null;
  /** Null: Docker's list; none in a privileged container. */
  readonly MaskedPaths: readonly string[] | null;
  readonly ReadonlyPaths: readonly string[] | null;
  /** `ID:ALIAS` of containers on the network `bridge`; absent where there are none. */
  readonly Links?: readonly string[];
  /** Passed to the OCI runtime. */
  readonly Annotations: Readonly<Record<string, string>>;
  readonly LogConfig: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
}

/** One `--device`. */
export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  /** Letters of `rwm`. */
  readonly CgroupPermissions: string;
}

/** Limits of block devices by their paths on the host. */
export interface BlockIo {
  /** 10 to 1000; 0: the host's setting. */
  readonly BlkioWeight: number;
  readonly BlkioWeightDevice: readonly { readonly Path: string; readonly Weight: number }[];
  /** Bytes a second. */
  readonly BlkioDeviceReadBps: readonly DeviceRate[];
  readonly BlkioDeviceWriteBps: readonly DeviceRate[];
  /** Operations a second. */
  readonly BlkioDeviceReadIOps: readonly DeviceRate[];
  readonly BlkioDeviceWriteIOps: readonly DeviceRate[];
}

export interface DeviceRate {
  readonly Path: string;
  readonly Rate: number;
}

/** One `--mount`, with the fields that the client sent. */
export interface MountRequest {
  readonly Type: 'bind' | 'volume' | 'tmpfs';
  readonly Source: string;
  readonly Target: string;
  readonly ReadOnly: boolean;
  readonly BindOptions?: {
    readonly Propagation: string;
    readonly NonRecursive: boolean;
    readonly ReadOnlyNonRecursive?: boolean;
    readonly ReadOnlyForceRecursive?: boolean;
    readonly CreateMountpoint: boolean;
  };
  readonly VolumeOptions?: {
    readonly NoCopy: boolean;
    readonly Labels: Readonly<Record<string, string>>;
    readonly DriverConfig?: { readonly Name: string; readonly Options: Readonly<Record<string, string>> };
    readonly Subpath: string;
  };
  /** Size in bytes, 0 for the kernel's default; mode as the permission bits. */
  readonly TmpfsOptions?: { readonly SizeBytes: number; readonly Mode: number };
}

/** Mount propagation between the host and a container (mount_namespaces(7)); `r` includes submounts. */
export type Propagation = 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';

/** A volume, or a file or folder of the host, at its place in a container. */
export interface MountPoint {
  readonly type: 'bind' | 'volume';
  /** Name of the volume; absent for a bind. */
  readonly name?: string;
  /** Path on the host. */
  readonly source: string;
  readonly destination: string;
  /** The options as the client sent them. */
  readonly mode: string;
  readonly writable: boolean;
  readonly propagation: '' | Propagation;
  /** Includes submounts of the source. */
  readonly recursive: boolean;
  /** How submounts of a read-only mount are mounted; undefined: read-only where the kernel supports it. */
  readonly below?: 'writable' | 'readonly';
  /** Whether an empty volume is filled from the image. */
  readonly copyUp: boolean;
  /** The mounted file or folder inside the volume; '': the whole volume. */
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
  /** PID of the container's first process in the host's pid namespace; 0 when it does not run. */
  readonly pid: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why the last start failed; '' when it did not. */
  readonly error: string;
  /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` when it has not happened. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** Restarts by the restart policy since a client started it. */
  readonly restartCount: number;
  /** Absent in containers without a health check. */
  readonly health?: Health;
}

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
};

/** The part of its image that a container needs as long as it exists. */
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
  /** Its present endpoints; undefined when it does not run. */
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
