import { maskedProxy } from '../../../lib/http/proxies/proxy-settings.ts';
import type { ContainerInfo, ContainerStatus } from '../../containers/container-info.ts';
import type { HostFacts } from '../host-facts.ts';

/** `GET /info` (Engine API, SystemInfo). */
export function systemInfo(
  host: HostFacts,
  containers: readonly ContainerInfo[],
  images: number,
  warnings: readonly string[],
  now: string,
): object {
  const running = count(containers, 'running') + count(containers, 'restarting');
  const paused = count(containers, 'paused');
  const has = (name: 'memory' | 'cpu' | 'cpuset' | 'pids') => host.missingControllers?.has(name) !== true;
  return {
    ID: host.id,
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: containers.length - running - paused,
    Images: images,
    Driver: host.storageDriver,
    DriverStatus: [['Root file system', 'overlay']],
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'null'],
      Authorization: null,
      Log: ['json-file', 'local'],
    },
    MemoryLimit: has('memory'),
    SwapLimit: true,
    CpuCfsPeriod: has('cpu'),
    CpuCfsQuota: has('cpu'),
    CPUShares: has('cpu'),
    CPUSet: has('cpuset'),
    PidsLimit: has('pids'),
    IPv4Forwarding: true,
    BridgeNfIptables: true,
    BridgeNfIp6tables: true,
    Debug: false,
    OomKillDisable: host.cgroupVersion === '1',
    SystemTime: now,
    LoggingDriver: 'json-file',
    CgroupDriver: 'cgroupfs',
    CgroupVersion: host.cgroupVersion,
    KernelVersion: host.kernelVersion,
    OperatingSystem: host.operatingSystem,
    OSVersion: '',
    OSType: 'linux',
    Architecture: host.machine,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(host.insecureRegistries),
    NCPU: host.cpus,
    MemTotal: host.memory,
    GenericResources: null,
    DockerRootDir: host.dataDirectory,
    HttpProxy: host.proxies?.http === undefined ? '' : maskedProxy(host.proxies.http),
    HttpsProxy: host.proxies?.https === undefined ? '' : maskedProxy(host.proxies.https),
    NoProxy: host.proxies?.except ?? '',
    Name: host.hostname,
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: host.version,
    Runtimes: { [host.runtime.name]: { path: host.runtime.path } },
    DefaultRuntime: host.runtime.name,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: 'tini',
    ContainerdCommit: { ID: '', Expected: '' },
    RuncCommit: { ID: host.runtime.version, Expected: host.runtime.version },
    InitCommit: { ID: '', Expected: '' },
    SecurityOptions: [
      ...(host.apparmor === undefined ? [] : ['name=apparmor']),
      'name=seccomp,profile=builtin',
    ],
    CDISpecDirs: [],
    Warnings: warnings.length === 0 ? null : warnings,
  };
}

function count(containers: readonly ContainerInfo[], status: ContainerStatus): number {
  return containers.filter((container) => container.state.status === status).length;
}

function registryConfig(insecure: readonly string[]): object {
  const entries = insecure.map((name) => [name, { Name: name, Mirrors: [], Secure: false, Official: false }]);
  return {
    AllowNondistributableArtifactsCIDRs: null,
    AllowNondistributableArtifactsHostnames: null,
    InsecureRegistryCIDRs: ['127.0.0.0/8'],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: [], Secure: true, Official: true },
      ...Object.fromEntries(entries),
    },
    Mirrors: null,
  };
}
