import type { ContainerConfig, HostConfig } from '../../runtime-agent/containers/container.ts';

/** The name under which the tests' image can be had. */
export const IMAGE = 'busybox:test';

/** A configuration as the docker CLI sends it for `docker run IMAGE command`. */
export function containerConfig(
  command: readonly string[],
  changes: Partial<ContainerConfig> = {},
): ContainerConfig {
  return {
    Hostname: '',
    Domainname: '',
    User: '',
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: [],
    Cmd: command.length === 0 ? null : command,
    Entrypoint: null,
    Image: IMAGE,
    Labels: {},
    WorkingDir: '',
    ...changes,
  };
}

export function hostConfig(changes: Partial<HostConfig> = {}): HostConfig {
  return {
    AutoRemove: false,
    Memory: 0,
    MemorySwap: 0,
    MemoryReservation: 0,
    NanoCpus: 0,
    CpuShares: 0,
    CpuPeriod: 0,
    CpuQuota: 0,
    CpusetCpus: '',
    CpusetMems: '',
    PidsLimit: 0,
    OomScoreAdj: 0,
    OomKillDisable: false,
    ReadonlyRootfs: false,
    Privileged: false,
    CapAdd: [],
    CapDrop: [],
    SecurityOpt: [],
    GroupAdd: [],
    ShmSize: 0,
    Tmpfs: {},
    Binds: [],
    Mounts: [],
    VolumesFrom: [],
    VolumeDriver: '',
    Ulimits: [],
    Sysctls: {},
    Init: false,
    NetworkMode: 'default',
    PortBindings: {},
    PublishAllPorts: false,
    Dns: [],
    DnsOptions: [],
    DnsSearch: [],
    ExtraHosts: [],
    RestartPolicy: { Name: '', MaximumRetryCount: 0 },
    LogConfig: { Type: '', Config: {} },
    ...changes,
  };
}
