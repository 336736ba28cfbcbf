import type { Digest } from '../../oci/digest.ts';
import type { Platform } from '../images/image.ts';
import type { ActiveNetwork, EndpointSettings, PortBindings } from '../networks/network.ts';

/** What `docker create` sends and `docker inspect` shows: the Engine API's field names are kept. */
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
  /** As clients before version 1.44 give it, for the network of NetworkMode. */
  readonly MacAddress?: string;
  readonly StopSignal?: string;
  /** Seconds. */
  readonly StopTimeout?: number;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly Healthcheck?: HealthConfig;
  /** What runs a health check that is a text; `/bin/sh -c` where it is not given. An image that is committed keeps it. */
  readonly Shell?: readonly string[];
  /** For an image that is committed. */
  readonly OnBuild?: readonly string[];
}

/** How a container's health is found out. What is left out or 0 has Docker's default. Durations are nanoseconds. */
export interface HealthConfig {
  /** `["CMD", …]`, `["CMD-SHELL", text]` or `["NONE"]`; absent or empty: as the image says. */
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** The part of HostConfig that the agent acts on; what it cannot do is refused at create, never dropped. */
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
  /** Processes and threads; 0 is no limit, and -1 one that an update took away, which inspect shows as 0. */
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
  /** Rows and columns of the terminal at its start; absent: the client says later. */
  readonly ConsoleSize?: readonly [rows: number, columns: number];
  /** `default`, which inspect repeats, or absent. */
  readonly Isolation?: string;
  readonly RestartPolicy: { readonly Name: string; readonly MaximumRetryCount: number };
  /** '' is one of its own, else `host` or `container:ID`. */
  readonly PidMode: string;
  /** `private`, `shareable`, `none` (without /dev/shm), `host` or `container:ID`. */
  readonly IpcMode: string;
  /** '' is one of its own, else `host`. */
  readonly UTSMode: string;
  /** '' or `host`, which are the same: users are not remapped. */
  readonly UsernsMode: string;
  readonly CgroupnsMode: 'host' | 'private';
  /** Where its cgroup lies, from the root of each hierarchy; '' is the agent's own place. */
  readonly CgroupParent: string;
  readonly Devices: readonly DeviceMapping[];
  /** `TYPE MAJOR:MINOR ACCESS`, as `c 1:3 rw` or `b *:* m`. */
  readonly DeviceCgroupRules: readonly string[];
  readonly BlockIo: BlockIo;
  /** Microseconds; 0 is none. */
  readonly CpuRealtimePeriod: number;
  readonly CpuRealtimeRuntime: number;
  /** 0 to 100; null is the host's. */
  readonly MemorySwappiness: number | null;
  /** Null: those that Docker masks; a privileged container has none. */
  readonly MaskedPaths: readonly string[] | null;
  readonly ReadonlyPaths: readonly string[] | null;
  /** `ID:ALIAS` of containers on the network `bridge`; absent where there are none. */
  readonly Links?: readonly string[];
  /** Handed on to the OCI runtime. */
  readonly Annotations: Readonly<Record<string, string>>;
  readonly LogConfig: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
}

/** One `--device`. */
export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  /** Letters out of `rwm`. */
  readonly CgroupPermissions: string;
}

/** Limits of block devices, which are named by their paths on the host. */
export interface BlockIo {
  /** 10 to 1000; 0 is the host's. */
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

/** Of mounts between the host and a container (mount_namespaces(7)), with `r` those below too. */
export type Propagation = 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';

/** Where a container sees a volume, or a file or folder of the host. */
export interface MountPoint {
  readonly type: 'bind' | 'volume';
  /** Of the volume. */
  readonly name?: string;
  /** Path on the host. */
  readonly source: string;
  readonly destination: string;
  /** The options as the client wrote them. */
  readonly mode: string;
  readonly writable: boolean;
  readonly propagation: '' | Propagation;
  /** With what is mounted below the source. */
  readonly recursive: boolean;
  /** Of a read-only mount what is mounted below the source; undefined: read-only where the kernel can. */
  readonly below?: 'writable' | 'readonly';
  /** An empty volume gets what the image has at the destination. */
  readonly copyUp: boolean;
  /** A folder or file inside the volume that stands for it; '' for all of it. */
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

/** What the probes of a container have found, as inspect shows it. */
export interface Health {
  readonly Status: 'starting' | 'healthy' | 'unhealthy';
  /** Failures in a row, those of the start period not counted. */
  readonly FailingStreak: number;
  /** The last five probes, oldest first. */
  readonly Log: readonly HealthLogEntry[];
}

export interface HealthLogEntry {
  /** RFC 3339 with nanoseconds. */
  readonly Start: string;
  readonly End: string;
  /** -1 where the probe could not be run or took too long. */
  readonly ExitCode: number;
  readonly Output: string;
}

export interface ContainerState {
  readonly status: ContainerStatus;
  /** Of the container's first process in the host's pid namespace; 0 when it does not run. */
  readonly pid: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why the last start failed; '' when it did not. */
  readonly error: string;
  /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` when it has not happened. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** How often its restart policy has started it again since a client did. */
  readonly restartCount: number;
  /** Absent in containers without a health check. */
  readonly health?: Health;
}

/** What a container needs of its image for as long as it lives. */
export interface ContainerBase {
  /** The lowest layer first. */
  readonly diffIds: readonly Digest[];
  readonly platform: Platform;
}

export interface Container {
  /** 64 lower-case hex digits. */
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  /** RFC 3339 with nanoseconds. */
  readonly createdAt: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** The networks that it is in whenever it runs, by name; none where NetworkMode has it share or lack a network. */
  readonly networks: Readonly<Record<string, EndpointSettings>>;
  /** What it has of them now; undefined when it does not run. */
  readonly activeNetwork: ActiveNetwork | undefined;
  readonly imageId: string;
  /** Absent in containers of an earlier agent. */
  readonly base?: ContainerBase;
  /** What runs: entrypoint and command after the image's defaults. */
  readonly path: string;
  readonly args: readonly string[];
  readonly state: ContainerState;
  readonly logPath: string;
  readonly mounts: readonly MountPoint[];
}
