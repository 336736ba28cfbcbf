import type { PullProgress } from '../../images/images.ts';
import type { BuildProgress } from '../builder.ts';

/** Tells of the pull of a base image as what the step `id` does. */
export function notifyPull(progress: (step: BuildProgress) => void, id: string, step: PullProgress): void {
  if (step.kind !== 'layer' || step.current === undefined) return;
  progress({
    kind: 'progress',
    id,
    what: `${step.state} ${step.id}`,
    current: step.current,
    ...(step.total === undefined ? {} : { total: step.total }),
  });
}
