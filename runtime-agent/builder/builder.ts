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
  /** The build reads it no more. */
  release(): Promise<void>;
}

/** Which files of a context a build reads. */
export interface ContextWant {
  /** Patterns as COPY has them, without the leading slash; undefined is all. A source may bring more. */
  readonly include?: readonly string[];
  /** The lines of the ignore file, in their order. */
  readonly exclude: readonly string[];
}

/**
 * What the ignore file leaves out of the main context, as with dockerd: of a client's folder all that it names; of an archive that the
 * classic builder gets the Dockerfile and the ignore file alone, since clients leave out the rest; of other contexts nothing.
 */
export type Ignoring = 'all' | 'build-files' | 'nothing';

/** The client's Dockerfile, context and secrets. The classic API unpacks a tar for it; the BuildKit API asks the client's session. */
export interface BuildSource extends GitClient, CacheClient {
  readonly ignoring: Ignoring;
  /** A small file beside the Dockerfile; undefined when it is not there. At most 1 MiB, else EngineError 'bad-request'. */
  readDockerfile(name: string, signal: AbortSignal): Promise<string | undefined>;
  /** `name` is undefined for the main context, else one of `BuildRequest.namedContexts`. */
  openContext(
    name: string | undefined,
    want: ContextWant,
    signal: AbortSignal,
  ): Promise<ContextFolder | FileTree>;
}

/** What one RUN may take of the host; absent fields are no limits. */
export type StepLimits = Partial<
  Pick<
    HostConfig,
    'Memory' | 'MemorySwap' | 'CpuShares' | 'CpuPeriod' | 'CpuQuota' | 'CpusetCpus' | 'CpusetMems' | 'Ulimits'
  >
>;

/** A form in which layers are to leave this host once the image is there. */
export interface SentForm {
  readonly compression: LayerCompression;
  /** Of which layers a form that a registry has had will do. */
  readonly keeps: 'all' | 'base' | 'none';
  /** Whether their bytes are wanted here, and not only where they go. */
  readonly isRead: boolean;
}

export interface BuildRequest {
  readonly source: BuildSource;
  /** Path in the context, `Dockerfile` where the client names none. */
  readonly dockerfile: string;
  /** A stage by name or number; undefined is the last. */
  readonly target?: string;
  /** A value of undefined is one that the client named and has not set. */
  readonly buildArguments: ReadonlyMap<string, string | undefined>;
  readonly labels: ReadonlyMap<string, string>;
  readonly platform?: Platform;
  /** Steps that must run again: none, all, or those of the stages named. */
  readonly noCache: false | true | readonly string[];
  /** Asks the registry for base images although they are here. */
  readonly pull: boolean;
  /** `default`, `none`, `host`, or a network's name (classic API only). */
  readonly network: string;
  /** Entitlements that the client grants to steps (`--allow`). */
  readonly entitlements: readonly string[];
  /** Name to `HOST:IP`s, as --add-host gives them. */
  readonly extraHosts: readonly string[];
  readonly shmSize?: number;
  /** Limits of each step, as those of a container. */
  readonly limits?: StepLimits;
  /** Named contexts that are no local folders: an image by reference (`docker-image://…`) ; a folder has the value undefined. */
  readonly namedContexts: ReadonlyMap<string, string | undefined>;
  /** Images and caches whose steps may be taken over. */
  readonly cacheFrom: readonly CacheSource[];
  /** Where leaveCaches() is to put the cache afterwards. */
  readonly cacheTo: readonly CacheTarget[];
  /** Whether the image's configuration holds the cache of its own steps (`--cache-to type=inline`). */
  readonly inlineCache?: boolean;
  /** The image's layers are compressed so while it is built; a build that sends nothing compresses nothing. */
  readonly sends?: readonly SentForm[];
  /** Where its client pushes the image next: the layers are uploaded there while it is built. */
  readonly pushesTo?: readonly ImageReference[];
  /** Seconds since 1970 that no time in the image lies after; undefined keeps the times of RUN's files. */
  readonly sourceDateEpoch?: number;
}

/** A step as the classic builder words it: an instruction, and its number among all of them. */
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
      /** As BuildKit words it: `[build 2/4] RUN make`. */
      readonly name: string;
      readonly inputs: readonly string[];
      /** Absent for internal steps. */
      readonly instruction?: NumberedInstruction;
      /** It changes the configuration alone (ENV, CMD …): BuildKit shows no vertex for such a step. */
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
  /** `layer` is the short name of what stands after the step, for those who print one. */
  | { readonly kind: 'completed'; readonly id: string; readonly at: Date; readonly layer?: string }
  | {
      readonly kind: 'failed';
      readonly id: string;
      readonly at: Date;
      readonly message: string;
      /** The FROM whose image an internal step did not find. */
      readonly instruction?: NumberedInstruction;
    };

/** The steps of a build, as caches take them. */
export interface BuiltSteps {
  /** For the mode `min`: those that made the image's layers. */
  readonly ofImage: readonly RemoteStep[];
  /** For the mode `max`. */
  readonly all: readonly RemoteStep[];
}

/** A finished image, not yet named. It is kept from the sweep until `release`. */
export interface BuiltImage {
  /** Digest of the configuration. */
  readonly id: Digest;
  readonly manifestDigest: Digest;
  /** The layers that came with the image that it stands on. */
  readonly baseLayers: ReadonlySet<Digest>;
  /** A statement of what went in, for `--provenance`. */
  readonly materials: readonly { readonly uri: string; readonly digest: Digest }[];
  /** What caches are left of; empty where the request names none. Their layers are kept until `release`. */
  readonly steps: BuiltSteps;
  release(): Promise<void>;
}

/** Makes images of Dockerfiles, for the classic API and for BuildKit's; it depends on neither. */
export interface Builder {
  /**
   * Builds; the image is in the store when it answers. An abort stops the running step within a second and leaves nothing.
   * Throws EngineError 'bad-request' that names file, line and instruction, 'not-found' for a base image or target.
   */
  build(
    request: BuildRequest,
    progress: (step: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<BuiltImage>;
  /**
   * Writes the caches that a build asked for, each whole or not at all; of a build for several platforms one holds the steps of all images. Answers
   * the manifest of that in a folder of the client's, who notes it. Throws EngineError where one cannot be written that does not ignore errors.
   */
  leaveCaches(
    images: readonly Pick<BuiltImage, 'steps'>[],
    request: Pick<BuildRequest, 'cacheTo' | 'source'>,
    progress: (step: BuildProgress) => void,
    signal: AbortSignal,
  ): Promise<Descriptor | undefined>;
}
