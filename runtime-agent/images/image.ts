import type { Digest } from '../../oci/digest.ts';

export interface Platform {
  readonly os: string;
  /** As in GOARCH: amd64, arm64 … */
  readonly architecture: string;
  readonly variant?: string;
}

/** The `config` object of an image configuration (image-spec, config.md), fields as they are on the wire. */
export interface ImageRunConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[] | null;
  readonly OnBuild?: readonly string[] | null;
  readonly Healthcheck?: Readonly<Record<string, unknown>>;
}

/** A complete image of this host: every layer is here, verified and ready to be mounted. */
export interface Image {
  /** Digest of the image configuration, which Docker calls the image ID. */
  readonly id: Digest;
  readonly manifestDigest: Digest;
  readonly platform: Platform;
  readonly config: ImageRunConfig;
  /** Uncompressed layer digests, the lowest first. */
  readonly diffIds: readonly Digest[];
  /** RFC 3339, from the configuration; absent without a creation time. */
  readonly created?: string;
  readonly author?: string;
  readonly history: readonly ImageHistory[];
  /** Total bytes of the uncompressed layers. */
  readonly size: number;
  /** RFC 3339: time of the last `docker tag`; absent without one. */
  readonly lastTagTime?: string;
  /** The parent image of a commit, while it exists here. */
  readonly parent?: Digest;
  /** `host/name:tag` in the familiar form that docker prints, sorted. */
  readonly repoTags: readonly string[];
  /** `host/name@sha256:…` in the familiar form, sorted. */
  readonly repoDigests: readonly string[];
}

export interface ImageHistory {
  readonly created?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}
