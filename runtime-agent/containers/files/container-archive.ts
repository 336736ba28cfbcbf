/** The metadata of a path that `docker cp` reads first. */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** In the form of Go's FileMode. */
  readonly mode: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  /** Final target of a symlink inside the container; '' for other files. */
  readonly linkTarget: string;
}

export interface ExtractOptions {
  /** Whether to refuse replacing a folder by something else, or something else by a folder. */
  readonly noOverwriteDirNonDir: boolean;
  /** Whether all files get the container's user and group instead of those in the tar. */
  readonly copyUidGid: boolean;
}

/**
 * Files of a container as it sees them: with its volumes and binds, and with its tmpfs while it runs. Every path and
 * link is resolved inside the container, whatever its processes change meanwhile. Throws EngineError 'not-found' for a
 * missing container or path.
 */
export interface ContainerArchive {
  /** `HEAD /containers/N/archive`. */
  stat(ref: string, path: string, signal: AbortSignal): Promise<PathStat>;

  /** `GET /containers/N/archive`: the tar of a file, or of a folder and all in it. It must be read to its end, or its iterator returned. */
  read(
    ref: string,
    path: string,
    signal: AbortSignal,
  ): Promise<{ readonly stat: PathStat; readonly tar: AsyncIterable<Uint8Array> }>;

  /**
   * `PUT /containers/N/archive`: unpacks a tar, compressed or not, in a folder of the container. Throws EngineError
   * 'bad-request' if it is not a tar, the target is not a folder or is read-only, 'storage-full'.
   */
  extract(
    ref: string,
    path: string,
    tar: AsyncIterable<Uint8Array>,
    options: ExtractOptions,
    signal: AbortSignal,
  ): Promise<void>;
}
