/** Facts about a host that the agent depends on. Undefined means unreadable without root. */
export interface HostReading {
  readonly platform: string;
  readonly root: boolean;
  /** `6.12.4-amd64` */
  readonly kernel: string;
  readonly architecture: string;
  /** Programs of PROGRAMS that are installed. */
  readonly programs: ReadonlySet<string>;
  /** Why seccomp rules are unavailable; undefined if they are available. */
  readonly seccompFailure?: string;
  /** Whether the kernel has AppArmor enabled, and its parser is installed. */
  readonly apparmor: 'off' | 'on' | 'no-parser';
  /** Kinds of namespaces that the kernel has: names in /proc/self/ns. */
  readonly namespaces: ReadonlySet<string>;
  /** File systems that the kernel supports, or can load. */
  readonly fileSystems: ReadonlySet<string>;
  readonly cgroups: {
    readonly version: 1 | 2 | 'none';
    readonly controllers: ReadonlySet<string>;
    readonly swapLimit: boolean;
  };
  readonly data: {
    readonly path: string;
    /** The folder itself, or its nearest existing parent, which the other fields describe. */
    readonly folder: string;
    readonly fileSystem: string;
    /** Bytes that root may still write. */
    readonly free: number;
    readonly inodesFree: number;
  };
  readonly trials?: {
    readonly runtime: { readonly name: string; readonly version: string } | { readonly failure: string };
    readonly layers: { readonly how: 'file' | 'loop' | 'unpacked'; readonly fallbackReason?: string };
    readonly packetFilter:
      | { readonly droppingChains: readonly string[] }
      | {
          readonly failure: string;
        };
  };
  /** Whether an agent responds on the socket. */
  readonly agent: 'answers' | 'absent' | 'refused';
  readonly socket: string;
}
