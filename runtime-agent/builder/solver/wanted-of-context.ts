import { posix } from 'node:path';
import type { Source } from './stage-sources.ts';
import type { StagePlan, StepOp } from './step.ts';

/** Returns the patterns of a context that the steps read, without a leading slash; undefined if they read all of it. */
export function wantedOfContext(
  plans: readonly StagePlan[],
  name: string | undefined,
): readonly string[] | undefined {
  const isMeant = (source: Source) => source.kind === 'context' && source.name === name;
  const wanted = new Set<string>();
  for (const { steps } of plans) {
    for (const { op } of steps) {
      for (const path of op === undefined ? [] : readPaths(op, isMeant)) {
        const cleaned = posix.normalize(`/${path}`).replace(/^\/|\/$/g, '');
        if (cleaned === '') return undefined;
        wanted.add(cleaned);
      }
    }
  }
  return [...wanted].sort();
}

function readPaths(op: StepOp, isMeant: (source: Source) => boolean): readonly string[] {
  if (op.kind === 'copy') return isMeant(op.from) ? op.sources : [];
  if (op.kind !== 'run') return [];
  return op.mounts.flatMap((mount) => {
    const from = mount.type === 'bind' || mount.type === 'cache' ? mount.from : undefined;
    return from !== undefined && isMeant(from) && 'source' in mount ? [mount.source] : [];
  });
}
