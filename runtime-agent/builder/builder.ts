import type { Digest } from '../../oci/digest.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import type { ImageReference } from '../../oci/reference.ts';
import type { HostConfig } from '../containers/host-config.ts';
import type { LayerCompression } from '../images/compression/layer-compression.ts';
import type { Platform } from '../images/image.ts';
import type { RemoteStep } from './cache/remote/cache-document.ts';
import type { CacheClient, CacheSource, CacheTarget } from './cache/remote/remote-cache.ts';
import type { FileTree } from './context/file-tree.ts';
import type { GitClient } from './context/git/git-access.ts';

/** A folder of files on this host that a build reads, and never writes. */
export interface ContextFolder {
  /** Absolute; owners, modes and link targets are the client's. */
  readonly path: string;
  /** Releases the folder when the build has read it. */
  release(): Promise<void>;
}

/** The files of a context that a build reads. */
export interface ContextWant {
  /** Patterns in the form of COPY, without the leading slash; undefined means all files. A source may return more. */
  readonly include?: readonly string[];
  /** The lines of the ignore file, in their order. */
  readonly exclude: readonly string[];
}

/**
 * The files of the main context that the ignore file excludes, as with dockerd: in a client's folder all that it names;
 * in an archive of the classic builder only the Dockerfile and the ignore file, since clients exclude the rest; in
 * other contexts none.
 */
export type Ignoring = 'all' | 'build-files' | 'nothing';

/** The client's Dockerfile, context and secrets. The classic API unpacks a tar for it; the BuildKit API asks the client's session. */
export interface BuildSource extends GitClient, CacheClient {
  readonly ignoring: Ignoring;
  /**
   * Reads a small file beside the Dockerfile; undefined when it does not exist. At most 1 MiB, else EngineError
   * 'bad-request'.
   */
  readDockerfile(name: string, signal: AbortSignal): Promise<string | undefined>;
  /** `name` is undefined for the main context, else one of `BuildRequest.namedContexts`. */
  openContext(
    name: string | undefined,
    want: ContextWant,
    signal: AbortSignal,
  ): Promise<ContextFolder | FileTree>;
}

/** Resource limits of one RUN; absent fields mean no limit. */
export type StepLimits = Partial<
  Pick<
    HostConfig,
    'Memory' | 'MemorySwap' | 'CpuShares' | 'CpuPeriod' | 'CpuQuota' | 'CpusetCpus' | 'CpusetMems' | 'Ulimits'
  >
>;

/** The form in which layers will be sent once the image is built. */
export interface SentForm {
  readonly compression: LayerCompression;
  /** Layers that may be sent in a form that a registry already has. */
  readonly keeps: 'all' | 'base' | 'none';
  /** Whether this host needs their bytes too, not only the destination. */
  readonly isRead: boolean;
}

export interface BuildRequest {
  readonly source: BuildSource;
  /** Path in the context, `Dockerfile` by default. */
  readonly dockerfile: string;
  /** A stage by name or number; undefined is the last. */
  readonly target?: string;
  /** An undefined value was named by the client without a value. */
  readonly buildArguments: ReadonlyMap<string, string | undefined>;
  readonly labels: ReadonlyMap<string, string>;
  readonly platform?: Platform;
  /** Steps that must run again: none, all, or those of the named stages. */
  readonly noCache: false | true | readonly string[];
  /** Whether to ask the registry for base images that are on this host already. */
  readonly pull: boolean;
  /** `default`, `none`, `host`, or a network's name (classic API only). */
  readonly network: string;
  /** Entitlements that the client grants to steps (`--allow`). */
  readonly entitlements: readonly string[];
  /** Name to `HOST:IP`s, as in --add-host. */
  readonly extraHosts: readonly string[];
  readonly shmSize?: number;
  /** Limits of each step, as those of a container. */
  readonly limits?: StepLimits;
  /**
   * Named contexts other than local folders: an image by reference (`docker-image://…`); a folder has the value
   * undefined.
   */
  readonly namedContexts: ReadonlyMap<string, string | undefined>;
  /** Images and caches whose steps may be reused. */
  readonly cacheFrom: readonly CacheSource[];
  /** Where leaveCaches() is to put the cache afterwards. */
  readonly cacheTo: readonly CacheTarget[];
  /** Whether the image's configuration holds the cache of its own steps (`--cache-to type=inline`). */
  readonly inlineCache?: boolean;
  /** Compression of the image's layers, done while it is built; a build that sends nothing compresses nothing. */
  readonly sends?: readonly SentForm[];
  /** Where the client pushes the image next: its layers are uploaded there during the build. */
  readonly pushesTo?: readonly ImageReference[];
  /** Maximum time in the image, seconds since 1970; undefined keeps the times of RUN's files. */
  readonly sourceDateEpoch?: number;
}

/** A step as the classic builder prints it: an instruction, and its number. */
export interface NumberedInstruction {
  readonly text: string;
  readonly number: number;
  readonly count: number;
}

/** One step as clients show it. A step's id stays the same from `planned` to its end. */
export type BuildProgress =
  | {
      readonly kind: 'planned';
      readonly id: string;
      /** As BuildKit prints it: `[build 2/4] RUN make`. */
      readonly name: string;
      readonly inputs: readonly string[];
      /** Absent for internal steps. */
      readonly instruction?: NumberedInstruction;
      /** Whether it changes only the configuration (ENV, CMD …): BuildKit shows no vertex for such a step. */
      readonly isConfigOnly?: boolean;
    }
  /** `container` is the ID of the container of a command, for display. */
  | { readonly kind: 'started'; readonly id: string; readonly at: Date; readonly container?: string }
  | { readonly kind: 'cached'; readonly id: string; readonly at: Date }
  | {
      readonly kind: 'log';
      readonly id: string;
      readonly stream: 'stdout' | 'stderr';
      readonly data: Uint8Array;
    }
  | {
      readonly kind: 'progress';
      readonly id: string;
      readonly what: string;
      readonly current: number;
      readonly total?: number;
    }
  | { readonly kind: 'warning'; readonly id: string; readonly message: string; readonly line?: number }
  /** `layer` is the short name of the result, for clients that print one. */
  | { readonly kind: 'completed'; readonly id: string; readonly at: Date; readonly layer?: string }
  | {
      readonly kind: 'failed';
      readonly id: string;
      readonly at: Date;
      readonly message: string;
      /** The FROM whose image an internal step did not find. */
      readonly instruction?: NumberedInstruction;
    };

/** The steps of a build, for export to caches. */
export interface BuiltSteps {
  /** For the mode `min`: the steps of the image's layers. */
  readonly ofImage: readonly RemoteStep[];
  /** For the mode `max`. */
  readonly all: readonly RemoteStep[];
}

/** A finished image without a name. It is protected from the sweep until `release`. */
export interface BuiltImage {
  /** Digest of the configuration. */
  readonly id: Digest;
  readonly manifestDigest: Digest;
  /** The layers of its base image. */
  readonly baseLayers: ReadonlySet<Digest>;
  /** The inputs of the build, for `--provenance`. */
  readonly materials: readonly { readonly uri: string; readonly digest: Digest }[];
  /** Steps for the caches; empty if the request names none. Their layers are held until `release`. */
  readonly steps: BuiltSteps;
  release(): Promise<void>;
}

/** Builds images from Dockerfiles, for the classic API and for BuildKit's; it depends on neither. */
export interface Builder {
  /**
   * Builds an image, which is in the store when the promise resolves. An abort stops the running step within a second
   * and leaves nothing. Throws EngineError 'bad-request' that names file, line and instruction, 'not-found' for a base
   * image or target.
   */
  build(
    request: BuildRequest,
    progress: (step: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<BuiltImage>;
  /**
   * Writes the caches that a build has requested, each atomically; for several platforms one cache holds the steps of
   * all images. Returns the manifest of a cache in a client's folder, which the client records. Throws EngineError when
   * one cannot be written and does not ignore errors.
   */
  leaveCaches(
    images: readonly Pick<BuiltImage, 'steps'>[],
    request: Pick<BuildRequest, 'cacheTo' | 'source'>,
    progress: (step: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<Descriptor | undefined>;
}
