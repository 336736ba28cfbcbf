import type { SeccompProfile } from './seccomp-types.ts';

/** The parts of an OCI runtime configuration (runtime-spec, config.md and config-linux.md) that the agent writes. */
export interface OciSpec {
  readonly ociVersion: string;
  /** Absent where it is the host's. */
  readonly hostname?: string;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly process: OciProcess;
  readonly mounts: readonly OciMount[];
  readonly linux: OciLinux;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface OciProcess {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: Readonly<
    Record<'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient', readonly string[]>
  >;
  readonly rlimits: readonly { readonly type: string; readonly soft: OciRlimit; readonly hard: OciRlimit }[];
  readonly noNewPrivileges: boolean;
  readonly apparmorProfile?: string;
  readonly oomScoreAdj: number;
}

/** A number, or `unlimited` that is written as 2^64 - 1 (see writeOciJson). */
export type OciRlimit = number | 'unlimited';

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface OciDevice {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface OciDeviceRule {
  readonly allow: boolean;
  readonly type?: 'a' | 'c' | 'b';
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
}

export interface OciResources {
  readonly devices: readonly OciDeviceRule[];
  readonly memory?: {
    readonly limit?: number;
    readonly reservation?: number;
    readonly swap?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly realtimePeriod?: number;
    readonly realtimeRuntime?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly blockIO?: OciBlockIo;
}

export interface OciBlockIo {
  readonly weight?: number;
  readonly weightDevice?: readonly {
    readonly major: number;
    readonly minor: number;
    readonly weight: number;
  }[];
  readonly throttleReadBpsDevice?: readonly OciThrottle[];
  readonly throttleWriteBpsDevice?: readonly OciThrottle[];
  readonly throttleReadIOPSDevice?: readonly OciThrottle[];
  readonly throttleWriteIOPSDevice?: readonly OciThrottle[];
}

export interface OciThrottle {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

export interface OciLinux {
  readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
  readonly cgroupsPath: string;
  readonly resources: OciResources;
  readonly devices: readonly OciDevice[];
  readonly sysctl: Readonly<Record<string, string>>;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp?: SeccompProfile;
  readonly rootfsPropagation?: string;
}
