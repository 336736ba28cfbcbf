import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Instruction } from '../frontend/instruction.ts';
import type { Stage } from '../frontend/parse-dockerfile.ts';
import { instructionSources, type NameScope, type Source, stageBase } from './stage-sources.ts';

/** A stage with its dependencies; its instructions begin with those of its base (ONBUILD). */
export interface NeededStage {
  readonly stage: Stage;
  readonly base: Source;
  readonly instructions: readonly Instruction[];
}

/**
 * Returns the stages that the target needs, each after its dependencies. `triggers` returns the known ONBUILD
 * instructions of a stage's base. Throws EngineError 'bad-request' for cyclic stages.
 */
export function neededStages(
  scope: NameScope,
  target: Stage,
  triggers: (stage: Stage, base: Source) => readonly Instruction[],
): readonly NeededStage[] {
  const done = new Map<number, NeededStage>();
  const entered = new Set<number>();
  const visit = (stage: Stage): void => {
    if (done.has(stage.index)) return;
    if (entered.has(stage.index)) {
      throw dockerfileError(
        stage.from.at,
        `circular dependency detected on stage: ${stage.from.name ?? stage.index}`,
      );
    }
    entered.add(stage.index);
    const base = stageBase(scope, stage);
    const instructions = [...triggers(stage, base), ...stage.instructions];
    const sources = [base, ...instructions.flatMap((each) => instructionSources(scope, stage, each))];
    for (const source of sources) {
      const other = source.kind === 'stage' ? scope.dockerfile.stages[source.index] : undefined;
      if (other !== undefined) visit(other);
    }
    done.set(stage.index, { stage, base, instructions });
  };
  visit(target);
  return [...done.values()];
}

/** Returns the images that the stages use, each reference and platform once. */
export function neededImages(
  scope: NameScope,
  stages: readonly NeededStage[],
): readonly Extract<Source, { readonly kind: 'image' }>[] {
  const found = new Map<string, Extract<Source, { readonly kind: 'image' }>>();
  for (const { stage, base, instructions } of stages) {
    for (const source of [base, ...instructions.flatMap((each) => instructionSources(scope, stage, each))]) {
      if (source.kind === 'image') found.set(imageKey(source), source);
    }
  }
  return [...found.values()];
}

/** Returns a key that distinguishes the images of a build. */
export function imageKey({ reference, platform }: Extract<Source, { readonly kind: 'image' }>): string {
  return JSON.stringify([reference, platform ?? null]);
}
