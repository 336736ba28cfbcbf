import type { ImageConfigDefaults } from '../../../oci/image-config.ts';
import type { Location } from '../frontend/dockerfile-text.ts';
import type { RunMount } from '../frontend/instruction.ts';
import type { Source } from './stage-sources.ts';
import type { StageState } from './stage-state.ts';

/** A file or heredoc that an instruction contains. */
export interface InlineFile {
  readonly name: string;
  readonly content: string;
}

/** `RUN --mount` with its texts expanded and its source known. */
export type StepMount = Exclude<RunMount, { readonly type: 'bind' | 'cache' }> | BindMount | CacheMount;

export interface BindMount {
  readonly type: 'bind';
  readonly from: Source;
  readonly source: string;
  readonly target: string;
  readonly writable: boolean;
}

export interface CacheMount {
  readonly type: 'cache';
  readonly id: string;
  readonly from: Source | undefined;
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  readonly sharing: 'shared' | 'private' | 'locked';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface RunOp {
  readonly kind: 'run';
  /** Program and arguments, including those of the shell. */
  readonly args: readonly string[];
  /** Variables of the stage and its arguments, `NAME=value`. */
  readonly env: readonly string[];
  /** Proxies: visible to the process, but not in key or history. */
  readonly hiddenEnv: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: 'default' | 'none' | 'host';
  /** Without a sandbox a step has the rights of a privileged container. */
  readonly security: 'sandbox' | 'insecure';
  readonly mounts: readonly StepMount[];
  /** A script that is mounted for the process and run. */
  readonly script: InlineFile | undefined;
}

export interface CopyOp {
  readonly kind: 'copy';
  readonly isAdd: boolean;
  readonly from: Source;
  readonly sources: readonly string[];
  readonly documents: readonly InlineFile[];
  /** Absolute, with a trailing slash if it must be a folder. */
  readonly destination: string;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  readonly checksum: string | undefined;
  /** Whether `.git` is included for a git repository; undefined if the instruction does not say. */
  readonly keepGitDir: boolean | undefined;
  readonly unpack: boolean | undefined;
}

/** A folder that is created if it does not exist. */
export interface FolderOp {
  readonly kind: 'folder';
  readonly path: string;
  /** Its owner if it is created, in the form of USER; undefined means root. */
  readonly user?: string;
}

/** The effect of a step on the files; undefined if it changes only the configuration. */
export type StepOp = RunOp | CopyOp | FolderOp;

export interface Step {
  /** Unique in the build. */
  readonly id: string;
  readonly at: Location;
  /** The instruction as written. */
  readonly text: string;
  readonly op: StepOp | undefined;
  /** `created_by` of the history. */
  readonly history: string;
  /** A digest of this instruction, of all before it, and of the configuration that the first of them began with. */
  readonly lineage: string;
}

/** The plan of a stage's base. */
export interface StagePlan {
  readonly index: number;
  readonly name: string | undefined;
  /** As clients show it: `[build 2/4]`. */
  readonly title: string;
  readonly base: Source;
  readonly baseText: string;
  readonly fromId: string;
  readonly steps: readonly Step[];
  /** After the last step. */
  readonly config: ImageConfigDefaults;
  readonly author: string | undefined;
  /** For stages on top of this one. */
  readonly state: StageState;
  /** That of the last step. */
  readonly lineage: string;
  /** The arguments that the stage took. */
  readonly takenArguments: ReadonlySet<string>;
}
