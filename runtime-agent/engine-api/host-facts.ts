import type { ProxySettings } from '../../lib/http/proxies/proxy-settings.ts';

/** Facts about this host in `docker version` and `docker info`; fixed while the agent runs. */
export interface HostFacts {
  /** Version of Berth, such as `0.1.0`. */
  readonly version: string;
  /** Persistent and unique to each host. */
  readonly id: string;
  readonly hostname: string;
  readonly operatingSystem: string;
  readonly kernelVersion: string;
  /** As in `uname -m`: x86_64, aarch64 … */
  readonly machine: string;
  /** As in GOARCH: amd64, arm64 … */
  readonly architecture: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly cgroupVersion: '1' | '2';
  /** Limits for which its kernel has no controller; absent if none is missing. */
  readonly missingControllers?: ReadonlySet<'memory' | 'cpu' | 'cpuset' | 'pids'>;
  readonly dataDirectory: string;
  readonly storageDriver: string;
  readonly runtime: { readonly name: string; readonly path: string; readonly version: string };
  /** The AppArmor profile of containers that request no other; absent if the host has no AppArmor. */
  readonly apparmor?: string;
  readonly insecureRegistries: readonly string[];
  readonly proxies?: ProxySettings;
}
