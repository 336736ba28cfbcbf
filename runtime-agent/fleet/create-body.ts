import { projectOf } from '../../fleet/host-plan/host-app.ts';
import type {
  HealthcheckSpec,
  MountSpec,
  NetworkSpec,
  ServiceSpec,
  VolumeSpec,
} from '../../fleet/service.ts';
import type { ReleaseTarget, ServiceTarget } from '../../fleet/target.ts';
import type { InstanceFile } from './instance-files.ts';

/** Labels by which the agent recognises its instances. */
export const LABELS = {
  app: 'io.berth.app',
  release: 'io.berth.release',
  attempt: 'io.berth.attempt',
  instance: 'io.berth.instance',
  hash: 'io.berth.hash',
  key: 'io.berth.key',
  project: 'com.docker.compose.project',
  service: 'com.docker.compose.service',
  network: 'com.docker.compose.network',
  volume: 'com.docker.compose.volume',
} as const;

/** An instance to be created. */
export interface InstanceRequest {
  readonly app: string;
  readonly release: ReleaseTarget;
  readonly attempt: number;
  readonly service: ServiceTarget;
  readonly instance: number;
  readonly key: string;
  /** The reference of its image on this host. */
  readonly image: string;
  readonly files: readonly InstanceFile[];
}

/**
 * Returns the body of `POST /containers/create` that makes an instance: the agent decodes it like that of any client.
 */
export function createBody(request: InstanceRequest): Readonly<Record<string, unknown>> {
  const { app, release, service, image, files } = request;
  const { spec, job } = service;
  const networks = spec.networks.map(({ network }) => networkName(app, findNamed(release.networks, network)));
  const mode = spec.networkMode ?? networks[0] ?? 'none';
  const hasNetworks = spec.networkMode === undefined;
  return {
    Image: image,
    Hostname: spec.hostname,
    Domainname: spec.domainname,
    User: spec.user,
    AttachStdout: true,
    AttachStderr: true,
    Tty: spec.tty,
    OpenStdin: spec.stdinOpen,
    Env: Object.entries(spec.environment).map(([name, value]) => `${name}=${value}`),
    Cmd: spec.command,
    Entrypoint: spec.entrypoint,
    WorkingDir: spec.workingDir,
    Labels: { ...spec.labels, ...labelsOf(request) },
    StopSignal: spec.stopSignal,
    StopTimeout: Math.ceil(spec.stopGracePeriod / 1000),
    ExposedPorts: Object.fromEntries(spec.ports.map(({ target, protocol }) => [`${target}/${protocol}`, {}])),
    ...(spec.healthcheck !== undefined && { Healthcheck: healthcheck(spec.healthcheck) }),
    HostConfig: {
      ...limitsOf(spec),
      NetworkMode: mode,
      PortBindings: portBindings(spec),
      RestartPolicy: restartPolicy(spec, job),
      Mounts: [
        ...spec.mounts.map((mount) => mountRequest(app, release.volumes, mount)),
        ...files.map(({ source, target }) => ({
          Type: 'bind',
          Source: source,
          Target: target,
          ReadOnly: true,
        })),
      ],
      Tmpfs: Object.fromEntries(
        spec.tmpfs.map((text) => {
          const at = text.indexOf(':');
          return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
        }),
      ),
    },
    ...(hasNetworks && {
      NetworkingConfig: {
        EndpointsConfig: Object.fromEntries(
          spec.networks.map(({ aliases }, index) => [
            networks[index],
            { Aliases: [...new Set([spec.name, ...aliases])] },
          ]),
        ),
      },
    }),
  };
}

/** Labels for Compose's own commands, and for the agent. */
function labelsOf({ app, release, attempt, service, instance, key }: InstanceRequest) {
  const { spec, hash } = service;
  return {
    [LABELS.project]: projectOf(app),
    [LABELS.service]: spec.name,
    'com.docker.compose.container-number': String(instance),
    'com.docker.compose.oneoff': 'False',
    'com.docker.compose.config-hash': hash,
    'com.docker.compose.project.working_dir': '',
    'com.docker.compose.project.config_files': '',
    [LABELS.app]: app,
    [LABELS.release]: String(release.number),
    [LABELS.attempt]: String(attempt),
    [LABELS.instance]: String(instance),
    [LABELS.hash]: hash,
    [LABELS.key]: key,
  };
}

/** The name of a network of an app on this host. */
export function networkName(app: string, { name, external }: NetworkSpec): string {
  return external ?? `${projectOf(app)}_${name}`;
}

/** The name of a volume of an app on this host. */
export function volumeName(app: string, { name, external }: VolumeSpec): string {
  return external ?? `${projectOf(app)}_${name}`;
}

function limitsOf(spec: ServiceSpec) {
  const { resources, logging } = spec;
  return {
    Memory: resources.memory,
    MemoryReservation: resources.memoryReservation,
    NanoCpus: resources.nanoCpus,
    PidsLimit: resources.pids,
    Init: spec.init,
    ReadonlyRootfs: spec.readOnly,
    Privileged: spec.privileged,
    CapAdd: spec.capAdd,
    CapDrop: spec.capDrop,
    SecurityOpt: spec.securityOpt,
    GroupAdd: spec.groupAdd,
    Sysctls: spec.sysctls,
    Ulimits: spec.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    ShmSize: spec.shmSize,
    Devices: spec.devices.map(device),
    PidMode: spec.pid,
    IpcMode: spec.ipc,
    Dns: spec.dns,
    DnsSearch: spec.dnsSearch,
    DnsOptions: spec.dnsOptions,
    ExtraHosts: spec.extraHosts,
    ...(logging !== undefined && { LogConfig: { Type: logging.driver, Config: logging.options } }),
  };
}

/** `always` would start, with the agent, an instance that the plan has stopped. */
function restartPolicy({ restart }: ServiceSpec, job: boolean) {
  if (job) return { Name: 'no' };
  const name = restart.name === 'always' ? 'unless-stopped' : restart.name;
  return { Name: name, MaximumRetryCount: restart.maximumRetryCount };
}

function portBindings({ ports }: ServiceSpec) {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { target, protocol, hostIp = '', published } of ports) {
    const key = `${target}/${protocol}`;
    bindings[key] = [...(bindings[key] ?? []), { HostIp: hostIp, HostPort: `${published ?? ''}` }];
  }
  return bindings;
}

function mountRequest(app: string, volumes: readonly VolumeSpec[], mount: MountSpec) {
  const { target: Target } = mount;
  switch (mount.type) {
    case 'bind':
      return { Type: 'bind', Source: mount.source, Target, ReadOnly: mount.readOnly };
    case 'tmpfs':
      return { Type: 'tmpfs', Target, TmpfsOptions: { SizeBytes: mount.size, Mode: mount.mode } };
    case 'volume': {
      const Source = mount.volume === undefined ? '' : volumeName(app, findNamed(volumes, mount.volume));
      const VolumeOptions = { NoCopy: mount.noCopy, Subpath: mount.subpath };
      return { Type: 'volume', Source, Target, ReadOnly: mount.readOnly, VolumeOptions };
    }
  }
}

/** `HOST[:CONTAINER[:PERMISSIONS]]` */
function device(text: string) {
  const [host = '', inside = host, permissions = 'rwm'] = text.split(':');
  return { PathOnHost: host, PathInContainer: inside, CgroupPermissions: permissions };
}

const NANOSECONDS = 1_000_000;

function healthcheck({ test, interval, timeout, startPeriod, startInterval, retries }: HealthcheckSpec) {
  const nanoseconds = (value: number | undefined) => value && Math.round(value * NANOSECONDS);
  return {
    Test: test,
    Interval: nanoseconds(interval),
    Timeout: nanoseconds(timeout),
    StartPeriod: nanoseconds(startPeriod),
    StartInterval: nanoseconds(startInterval),
    Retries: retries,
  };
}

function findNamed<Named extends { readonly name: string }>(list: readonly Named[], name: string): Named {
  const found = list.find((one) => one.name === name);
  if (found === undefined) throw new Error(`the release does not have "${name}", which a service uses`);
  return found;
}
