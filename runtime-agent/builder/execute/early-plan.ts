import type { BuildRequest, SentForm } from '../builder.ts';
import type { PreparedBuild } from './prepared-build.ts';

/** What caches are written in. Where they go to a registry, that may have the layers already. */
const OF_CACHES: SentForm = { compression: { kind: 'gzip' }, keeps: 'all', isRead: false };

/** The forms that layers of a build will be wanted in: none where it sends nothing. */
export function earlyForms({
  sends = [],
  cacheTo,
}: Pick<BuildRequest, 'sends' | 'cacheTo'>): readonly SentForm[] {
  const kinds = new Set(cacheTo.map(({ kind }) => kind));
  return [...sends, ...[...kinds].map((kind) => ({ ...OF_CACHES, isRead: kind === 'folder' }))];
}

/** The stages whose layers are sent: those that the target stands on, and all of them where a cache of the mode `max` is left. */
export function earlyStages(
  { cacheTo }: Pick<BuildRequest, 'cacheTo'>,
  prepared: Pick<PreparedBuild, 'plans' | 'plan' | 'target'>,
): ReadonlySet<number> {
  if (cacheTo.some(({ mode }) => mode === 'max')) return new Set(prepared.plans.map(({ index }) => index));
  const stages = new Set<number>();
  for (let plan = prepared.target; ; plan = prepared.plan(plan.base.index)) {
    stages.add(plan.index);
    if (plan.base.kind !== 'stage') return stages;
  }
}
