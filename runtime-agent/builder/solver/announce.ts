import type { BuildProgress } from '../builder.ts';
import type { StagePlan } from './step.ts';

type Planned = Extract<BuildProgress, { readonly kind: 'planned' }>;

/** Returns the steps of a build for clients before it starts, in the words of both builders, stage by stage. */
export function announcedSteps(stages: readonly StagePlan[]): readonly Planned[] {
  const count = stages.reduce((sum, { steps }) => sum + steps.length + 1, 0);
  const planned: Planned[] = [];
  for (const stage of stages) {
    const shown = 1 + stage.steps.filter(({ op }) => op !== undefined).length;
    const title = (position: number) =>
      `[${stage.title === '' ? '' : `${stage.title} `}${position}/${shown}]`;
    const number = () => planned.length + 1;
    planned.push({
      kind: 'planned',
      id: stage.fromId,
      name: `${title(1)} ${stage.baseText}`,
      inputs: stage.base.kind === 'stage' ? [lastOf(stages, stage.base.index)] : [],
      instruction: { text: stage.baseText, number: number(), count },
      // A stage based on another one begins where that ends.
      ...(stage.base.kind === 'stage' ? { isConfigOnly: true } : {}),
    });
    let position = 1;
    let last = stage.fromId;
    for (const { id, text, op } of stage.steps) {
      if (op !== undefined) position += 1;
      const from = op?.kind === 'copy' && op.from.kind === 'stage' ? [lastOf(stages, op.from.index)] : [];
      planned.push({
        kind: 'planned',
        id,
        name: `${title(position)} ${text}`,
        inputs: [last, ...from],
        instruction: { text, number: number(), count },
        ...(op === undefined ? { isConfigOnly: true } : {}),
      });
      if (op !== undefined) last = id;
    }
  }
  return planned;
}

function lastOf(stages: readonly StagePlan[], index: number): string {
  const stage = stages.find((candidate) => candidate.index === index);
  return stage?.steps.findLast(({ op }) => op !== undefined)?.id ?? stage?.fromId ?? '';
}
