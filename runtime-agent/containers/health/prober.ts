/** Runs the command of a health check in a container. */
export interface Prober {
  /**
   * Runs `command` as the container's own user and with its environment, to its end. When `signal` aborts, the command
   * is killed and the answer says so once it is dead. Throws an Error when the command cannot be started.
   */
  probe(
    containerId: string,
    command: readonly string[],
    options: { readonly outputLimit: number; readonly signal: AbortSignal },
  ): Promise<ProbeOutcome>;
}

export interface ProbeOutcome {
  readonly exitCode: number;
  /** The first bytes of stdout and stderr, in the order of writing as far as that is known. */
  readonly output: Uint8Array;
  /** There was more output than the limit. */
  readonly truncated: boolean;
}
