import type { Placement } from './release.ts';
import type { AppSpec, UpdatePolicy } from './service.ts';

/** How an app is rolled out: the strictest of the policies of its services. */
export type RolloutPolicy = Pick<
  UpdatePolicy,
  'parallelism' | 'delay' | 'failureAction' | 'maxFailureRatio' | 'monitor'
>;

/** Returns the strictest of the policies of an app's services. */
export function policyOf({ services }: AppSpec): RolloutPolicy {
  const updates = services.map(({ update }) => update);
  const widths = updates.flatMap(({ parallelism }) =>
    parallelism === undefined ? [] : parallelism || Number.POSITIVE_INFINITY,
  );
  const narrowest = Math.min(...widths);
  const has = (action: UpdatePolicy['failureAction']) =>
    updates.some(({ failureAction }) => failureAction === action);
  return {
    ...(widths.length > 0 && { parallelism: Number.isFinite(narrowest) ? narrowest : 0 }),
    delay: Math.max(0, ...updates.map(({ delay }) => delay)),
    failureAction: has('rollback') || updates.length === 0 ? 'rollback' : has('pause') ? 'pause' : 'continue',
    maxFailureRatio: Math.min(1, ...updates.map(({ maxFailureRatio }) => maxFailureRatio)),
    monitor: Math.max(0, ...updates.map(({ monitor }) => monitor)),
  };
}

/** How the hosts of a rollout are divided into waves. */
export interface WaveTerms {
  readonly policy: RolloutPolicy;
  /** It goes first and alone: jobs complete before any other host begins. */
  readonly jobHost: string | undefined;
  readonly atOnce: boolean;
  readonly placements: readonly Placement[];
}

/**
 * Divides hosts, in their order, into waves. Hosts without new instances come last: a moved instance starts in its new
 * place before the old one stops.
 */
export function wavesOf(order: readonly string[], terms: WaveTerms): readonly (readonly string[])[] {
  const {
    policy: { parallelism },
    jobHost,
    atOnce,
    placements,
  } = terms;
  const gains = (id: string) => placements.some(({ host }) => host === id);
  const first = jobHost === undefined ? [] : [jobHost];
  const rest = order.filter((id) => id !== jobHost && gains(id));
  const last = order.filter((id) => id !== jobHost && !gains(id));
  const all = [...first, ...rest];
  const waves: (readonly string[])[] = [];
  if (atOnce) waves.push(...(first.length > 0 ? [first, rest] : [all]));
  else if (parallelism === undefined) {
    const quarter = 1 + Math.ceil((all.length - 1) / 4);
    waves.push(all.slice(0, 1), all.slice(1, quarter), all.slice(quarter));
  } else {
    if (first.length > 0) waves.push(first);
    const width = parallelism === 0 ? Math.max(1, rest.length) : parallelism;
    for (let at = 0; at < rest.length; at += width) waves.push(rest.slice(at, at + width));
  }
  return [...waves, last].filter(({ length }) => length > 0);
}
