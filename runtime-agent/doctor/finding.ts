/** What was found out about one part of the host. */
export interface Finding {
  /** `kernel`, `conmon`, `cgroups` … */
  readonly part: string;
  /** `lacking`: the agent cannot run containers so; `poorer`: it can, with something slower or missing. */
  readonly grade: 'good' | 'poorer' | 'lacking';
  /** A clause without its full stop. */
  readonly message: string;
  /** The command that mends it, or what to do where there is none. */
  readonly remedy?: string;
}
