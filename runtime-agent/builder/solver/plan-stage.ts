import { posix } from 'node:path';
import type { ImageConfigDefaults } from '../../../oci/image-config.ts';
import type { Instruction } from '../frontend/instruction.ts';
import type { GivenArguments } from './build-arguments.ts';
import type { NeededStage } from './needed-stages.ts';
import { planConfig } from './plan-config.ts';
import { planCopy } from './plan-copy.ts';
import { planRun } from './plan-run.ts';
import { type Planned, StageScope } from './stage-scope.ts';
import type { NameScope } from './stage-sources.ts';
import { StageState } from './stage-state.ts';
import type { StagePlan, Step } from './step.ts';
import { lineageOf } from './step-key.ts';

export interface StageInputs {
  readonly scope: NameScope;
  readonly needed: NeededStage;
  /** Configuration of the stage's base. */
  readonly baseConfig: ImageConfigDefaults;
  /** The stage below, if the base is a stage. */
  readonly below?: StagePlan;
  readonly given: GivenArguments;
}

/** Plans the instructions of a stage, in order. Throws EngineError 'bad-request' that names the instruction. */
export function planStage(inputs: StageInputs): StagePlan {
  const { needed, baseConfig } = inputs;
  const { stage, base } = needed;
  const scope = new StageScope(inputs, new StageState(baseConfig, inputs.below?.state));
  const steps: Step[] = [];
  let lineage = inputs.below?.lineage ?? lineageOf(baseConfig);
  for (const [index, instruction] of needed.instructions.entries()) {
    const { history, op } = plan(scope, instruction);
    const { at, text } = instruction;
    lineage = lineageOf([lineage, text, history]);
    steps.push({ id: `${stage.index}.${index + 1}`, at, text, op, history, lineage });
  }
  const { state } = scope;
  const name = stage.from.name;
  return {
    index: stage.index,
    name,
    title: name ?? (inputs.scope.dockerfile.stages.length === 1 ? '' : `stage-${stage.index}`),
    base,
    baseText: stage.from.text,
    fromId: `${stage.index}.0`,
    steps,
    config: state.config,
    state,
    lineage,
    author: state.author,
    takenArguments: scope.taken,
  };
}

function plan(scope: StageScope, instruction: Instruction): Planned {
  switch (instruction.kind) {
    case 'run':
      return planRun(scope, instruction);
    case 'copy':
    case 'add':
      return planCopy(scope, instruction);
    case 'workdir':
      return planWorkdir(scope, scope.expand(instruction, instruction.value));
    case 'from':
      throw new TypeError('a stage has one FROM');
    default:
      return { history: planConfig(scope, instruction), op: undefined };
  }
}

function planWorkdir({ state }: StageScope, value: string): Planned {
  const path = posix.resolve(state.workingDirectory, value);
  state.config.WorkingDir = path;
  const user = state.config.User ?? '';
  const isRoot = /^(?:|0|root)(?::(?:0|root))?$/.test(user);
  return { history: `WORKDIR ${path}`, op: { kind: 'folder', path, ...(isRoot ? {} : { user }) } };
}
