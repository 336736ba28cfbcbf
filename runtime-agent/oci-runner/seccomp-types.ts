/** An OCI seccomp profile (runtime-spec, config-linux.md, "Seccomp"). */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
}

export interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
}

/** The containers/common form, which holds rules for every machine, kernel and set of capabilities at once. */
export interface SeccompSource {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly archMap: readonly {
    readonly architecture: string;
    readonly subArchitectures: readonly string[] | null;
  }[];
  readonly syscalls: readonly SeccompSourceRule[];
}

export interface SeccompSourceRule extends SeccompRule {
  readonly includes?: SeccompFilter;
  readonly excludes?: SeccompFilter;
}

export interface SeccompFilter {
  readonly arches?: readonly string[];
  readonly caps?: readonly string[];
  readonly minKernel?: string;
}
