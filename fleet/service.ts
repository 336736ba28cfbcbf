import type { Digest } from '../oci/digest.ts';

/**
 * A service of an app, from a Compose file: normalised, without defaults of a host. Times are milliseconds, sizes
 * bytes. Each field is named after its key in the Compose specification.
 */
export interface ServiceSpec {
  readonly name: string;
  /** As in the file, such as `registry.example/team/web:main`. */
  readonly image: string;
  readonly platform?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workingDir?: string;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly tty: boolean;
  readonly stdinOpen: boolean;
  readonly init: boolean;
  readonly readOnly: boolean;
  readonly ports: readonly PublishedPort[];
  readonly mounts: readonly MountSpec[];
  readonly tmpfs: readonly string[];
  readonly secrets: readonly FileUse[];
  readonly configs: readonly FileUse[];
  /** Networks of the app by name, with aliases; the app's network `default` unless the file names others. */
  readonly networks: readonly NetworkUse[];
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly healthcheck?: HealthcheckSpec;
  readonly dependsOn: readonly Dependency[];
  readonly restart: RestartPolicy;
  readonly stopSignal?: string;
  readonly stopGracePeriod: number;
  readonly resources: Resources;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  readonly groupAdd: readonly string[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly shmSize?: number;
  readonly devices: readonly string[];
  readonly privileged: boolean;
  readonly networkMode?: 'host' | 'none';
  readonly pid?: 'host';
  readonly ipc?: 'host' | 'private' | 'shareable';
  readonly logging?: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
  /** Total instances; undefined means one on each host of the app. */
  readonly replicas?: number;
  /** Maximum instances per host. */
  readonly maxPerHost?: number;
  readonly constraints: readonly LabelConstraint[];
  readonly update: UpdatePolicy;
  readonly route?: RouteSpec;
}

/** `deploy.placement.constraints`: `node.labels.KEY == VALUE` or `!=`; also `--on KEY=VALUE`. */
export interface LabelConstraint {
  readonly key: string;
  readonly operator: '==' | '!=';
  readonly value: string;
}

export interface PublishedPort {
  readonly target: number;
  /** Undefined if the host chooses. */
  readonly published?: number;
  readonly hostIp?: string;
  readonly protocol: 'tcp' | 'udp';
}

export type MountSpec =
  | {
      readonly type: 'volume';
      /** A volume of the app; undefined for an anonymous one. */
      readonly volume?: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly noCopy: boolean;
      readonly subpath?: string;
    }
  | { readonly type: 'bind'; readonly source: string; readonly target: string; readonly readOnly: boolean }
  | { readonly type: 'tmpfs'; readonly target: string; readonly size?: number; readonly mode?: number };

/** A secret or configuration as a file of an instance; the default for secrets is `/run/secrets/NAME`. */
export interface FileUse {
  readonly source: string;
  readonly target: string;
  readonly uid?: string;
  readonly gid?: string;
  /** Permission bits; by default 0400 for secrets and 0444 for configurations. */
  readonly mode: number;
}

export interface NetworkUse {
  readonly network: string;
  readonly aliases: readonly string[];
}

/** `test` in the form of the Engine API: `CMD`, `CMD-SHELL` or `NONE` first. */
export interface HealthcheckSpec {
  readonly test?: readonly string[];
  readonly interval?: number;
  readonly timeout?: number;
  readonly startPeriod?: number;
  readonly startInterval?: number;
  readonly retries?: number;
}

/** A service that another one waits for, and the condition. `completed`: it exited with 0, which makes it a job. */
export interface Dependency {
  readonly service: string;
  readonly condition: 'started' | 'healthy' | 'completed';
  readonly required: boolean;
}

export interface RestartPolicy {
  readonly name: 'no' | 'always' | 'on-failure' | 'unless-stopped';
  readonly maximumRetryCount: number;
}

/** Limits of an instance; 0 means no limit. */
export interface Resources {
  readonly memory: number;
  readonly memoryReservation: number;
  /** Billionths of a processor. */
  readonly nanoCpus: number;
  readonly pids: number;
}

/** `deploy.update_config`. */
export interface UpdatePolicy {
  /** Hosts per wave; 0 means all; undefined means one host, then a quarter, then the rest. */
  readonly parallelism?: number;
  /** Time between two waves. */
  readonly delay: number;
  readonly order: 'start-first' | 'stop-first';
  readonly failureAction: 'rollback' | 'pause' | 'continue';
  /** Time without an exit after which an instance without a health check or route counts as healthy. */
  readonly monitor: number;
  /** Fraction of hosts that may fail before `failureAction` is taken, from 0 to 1. */
  readonly maxFailureRatio: number;
}

/** `x-berth.route`: HTTP, or a TCP port, that the ingress of each host routes to the service's instances there. */
export type RouteSpec =
  | {
      readonly kind: 'http';
      readonly host: string;
      readonly path: string;
      /** Port of the instance. */
      readonly port: number;
      /** Path that answers 2xx or 3xx when the instance is healthy; if undefined, the port must accept connections. */
      readonly health?: string;
      readonly tls: TlsSpec;
    }
  | { readonly kind: 'tcp'; readonly listen: number; readonly port: number };

export type TlsSpec =
  | { readonly kind: 'none' }
  | { readonly kind: 'acme' }
  /** Files of the host, named by `--ingress-certificates`. */
  | { readonly kind: 'files' }
  /** A secret of the app that holds certificate and key as PEM. */
  | { readonly kind: 'secret'; readonly secret: string };

/** A volume of an app. `exclusive`: at most one instance per host may use it at a time, so the old one stops first. */
export interface VolumeSpec {
  readonly name: string;
  readonly exclusive: boolean;
  /** Name of an existing volume of the host. */
  readonly external?: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface NetworkSpec {
  readonly name: string;
  readonly internal: boolean;
  readonly ipv6?: boolean;
  /** Options of the driver `bridge`. */
  readonly options?: Readonly<Record<string, string>>;
  readonly external?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A parsed Compose file: pure data, the same for all hosts. */
export interface AppSpec {
  readonly services: readonly ServiceSpec[];
  readonly volumes: readonly VolumeSpec[];
  readonly networks: readonly NetworkSpec[];
  readonly configs: readonly { readonly name: string; readonly content: string }[];
  /** Names of secrets, set by `berth secret set`. */
  readonly secrets: readonly string[];
}

/** An image by digest. `registry` is absent if it is the one that the host joined. */
export interface PinnedImage {
  readonly registry?: string;
  readonly repository: string;
  /** For people only. */
  readonly tag?: string;
  /** Of a manifest or an index. */
  readonly digest: Digest;
}

/**
 * Reports whether a service is a job: it runs once in a release, to completion, before the services that depend on it.
 */
export function isJob(spec: AppSpec, service: string): boolean {
  return spec.services.some(({ dependsOn }) =>
    dependsOn.some((one) => one.service === service && one.condition === 'completed'),
  );
}
