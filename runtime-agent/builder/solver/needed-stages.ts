import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Instruction } from '../frontend/instruction.ts';
import type { Stage } from '../frontend/parse-dockerfile.ts';
import { instructionSources, type NameScope, type Source, stageBase } from './stage-sources.ts';

/** A stage with what it stands on; its instructions begin with those that the base brings (ONBUILD). */
export interface NeededStage {
  readonly stage: Stage;
  readonly base: Source;
  readonly instructions: readonly Instruction[];
}

/**
 * The stages that the target needs, each after those that it needs itself. `triggers` gives the instructions that the base
 * of a stage brings, as far as they are known. Throws EngineError 'bad-request' for stages that need each other.
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

/** The images that the stages are made of, each reference and platform once. */
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

/** Tells images apart that a build needs. */
export function imageKey({ reference, platform }: Extract<Source, { readonly kind: 'image' }>): string {
  return JSON.stringify([reference, platform ?? null]);
}
