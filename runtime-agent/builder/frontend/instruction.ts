import type { Location } from './dockerfile-text.ts';
import type { Heredoc } from './heredoc.ts';

/** A command in one of its two forms; the stage's SHELL runs the shell form. */
export type Command =
  | { readonly form: 'exec'; readonly words: readonly string[] }
  | { readonly form: 'shell'; readonly text: string };

/** A pair as written: quotes and variables are unchanged. */
export interface Pair {
  readonly key: string;
  readonly value: string;
}

/** Where COPY, ADD and binds of RUN take files from. */
export type CopySource =
  | { readonly kind: 'context' }
  /** A stage by name or number, a named context, or an image: telling them apart needs the whole Dockerfile. */
  | { readonly kind: 'named'; readonly name: string };

/** `RUN --mount`; absent values have their defaults, texts are not expanded yet. */
export type RunMount =
  | {
      readonly type: 'bind';
      readonly from: CopySource;
      readonly source: string;
      readonly target: string;
      readonly writable: boolean;
    }
  | {
      readonly type: 'cache';
      readonly id: string | undefined;
      readonly from: CopySource | undefined;
      readonly source: string;
      readonly target: string;
      readonly readonly: boolean;
      readonly sharing: 'shared' | 'private' | 'locked';
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly type: 'tmpfs'; readonly target: string; readonly size: number | undefined }
  | {
      readonly type: 'secret';
      readonly id: string;
      readonly target: string | undefined;
      readonly env: string | undefined;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly type: 'ssh';
      readonly id: string;
      readonly target: string | undefined;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

export interface CopyInstruction {
  readonly kind: 'copy' | 'add';
  readonly from: CopySource;
  readonly sources: readonly string[];
  /** Heredocs among the sources. */
  readonly documents: readonly Heredoc[];
  readonly destination: string;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  /** `sha256:…` that a remote file must have, or the commit of a git repository. */
  readonly checksum: string | undefined;
  /** Whether `.git` is included for a git repository. */
  readonly keepGitDir: boolean | undefined;
  /** Undefined: archives of the context are unpacked, remote ones are not. */
  readonly unpack: boolean | undefined;
}

/** One instruction, checked as far as it can be without the rest of the build. Texts are not expanded yet. */
export type Instruction = {
  /** Its position; for an `ONBUILD` of a base image, that of the FROM. */
  readonly at: Location;
  /** As written, on one line. */
  readonly text: string;
} & (
  | {
      readonly kind: 'from';
      readonly image: string;
      readonly name: string | undefined;
      readonly platform: string | undefined;
    }
  | { readonly kind: 'arg'; readonly pairs: readonly { readonly name: string; readonly value?: string }[] }
  | { readonly kind: 'env' | 'label'; readonly pairs: readonly Pair[] }
  | {
      readonly kind: 'run';
      readonly command: Command;
      /** A heredoc that is a whole program (`#!`): written to a file and run. */
      readonly script: Heredoc | undefined;
      readonly mounts: readonly RunMount[];
      readonly network: 'default' | 'none' | 'host';
      readonly security: 'sandbox' | 'insecure';
    }
  | CopyInstruction
  | { readonly kind: 'cmd' | 'entrypoint'; readonly command: Command }
  | { readonly kind: 'workdir' | 'user' | 'stopsignal'; readonly value: string }
  | { readonly kind: 'maintainer'; readonly value: string }
  | { readonly kind: 'expose' | 'volume'; readonly values: readonly string[] }
  | { readonly kind: 'shell'; readonly words: readonly string[] }
  | { readonly kind: 'healthcheck'; readonly healthcheck: Healthcheck }
  | { readonly kind: 'onbuild'; readonly trigger: string }
);

/** In the form of image configurations; times in nanoseconds. */
export interface Healthcheck {
  readonly Test: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}
