import { dockerfileError } from '../frontend/dockerfile-text.ts';
import { WordError } from '../frontend/expansion-budget.ts';
import type { Instruction } from '../frontend/instruction.ts';
import { expandAt, type GivenArguments } from './build-arguments.ts';
import type { NeededStage } from './needed-stages.ts';
import type { NameScope } from './stage-sources.ts';
import type { StageState } from './stage-state.ts';
import type { StepOp } from './step.ts';

/** The result of an instruction: its history entry, and its effect on the files. */
export interface Planned {
  readonly history: string;
  readonly op: StepOp | undefined;
}

/** The scope for planning the instructions of one stage. */
export class StageScope {
  readonly names: NameScope;
  readonly needed: NeededStage;
  readonly given: GivenArguments;
  readonly state: StageState;
  /** Arguments that an ARG has used so far. */
  readonly taken = new Set<string>();

  constructor(
    parts: { readonly scope: NameScope; readonly needed: NeededStage; readonly given: GivenArguments },
    state: StageState,
  ) {
    this.names = parts.scope;
    this.needed = parts.needed;
    this.given = parts.given;
    this.state = state;
  }

  /** Throws EngineError 'bad-request' that names the instruction. */
  expand({ at, kind }: Instruction, text: string): string {
    return expandAt(at, kind.toUpperCase(), text, this.names.dockerfile, this.state.lookup);
  }

  /** Charges an instruction to the budget, so that no file exceeds the limit. Throws EngineError 'bad-request'. */
  spend({ at, kind }: Instruction, amount: number): void {
    try {
      this.names.dockerfile.budget.spend(amount);
    } catch (error) {
      if (!(error instanceof WordError)) throw error;
      throw dockerfileError(at, `${kind.toUpperCase()}: ${error.message}`, { cause: error });
    }
  }

  /** Expands a document of the Dockerfile, whose quotes stay. */
  expandDocument({ at, kind }: Instruction, content: string): string {
    const { escapeToken, budget } = this.names.dockerfile;
    return expandAt(
      at,
      kind.toUpperCase(),
      content,
      { escapeToken, budget, isDocument: true },
      this.state.lookup,
    );
  }
}
