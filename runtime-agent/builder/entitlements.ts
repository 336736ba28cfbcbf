import { EngineError } from '../errors.ts';
import type { StagePlan } from './solver/step.ts';

/** BuildKit's names of entitlements: the host's network, and all rights of root on the host. */
export const ENTITLEMENTS = ['network.host', 'security.insecure'] as const;
export type Entitlement = (typeof ENTITLEMENTS)[number];

/** Entitlements that clients may grant by default, as with dockerd. */
export const DEFAULT_ENTITLEMENTS: readonly Entitlement[] = ['network.host'];

export function isEntitlement(text: string): text is Entitlement {
  return (ENTITLEMENTS as readonly string[]).includes(text);
}

/**
 * Returns the entitlements of `--allow`. Throws EngineError 'bad-request' with BuildKit's message for those that the
 * agent does not allow.
 */
export function grantedEntitlements(
  asked: readonly string[],
  allowed: readonly Entitlement[],
): ReadonlySet<Entitlement> {
  const granted = new Set<Entitlement>();
  for (const name of asked) {
    if (!isEntitlement(name)) {
      throw new EngineError('bad-request', `unknown entitlement ${name.slice(0, 80)}`);
    }
    if (!allowed.includes(name)) {
      throw new EngineError(
        'bad-request',
        `granting entitlement ${name} is not allowed by build daemon configuration: start berth-agent with --allow-build ${name}`,
      );
    }
    granted.add(name);
  }
  return granted;
}

/**
 * Refuses a build whose steps need entitlements that were not granted, before any step runs. `network` is the default
 * network of steps. Throws EngineError 'bad-request' with BuildKit's message.
 */
export function refuseUngranted(
  plans: Iterable<StagePlan>,
  network: string,
  granted: ReadonlySet<Entitlement>,
): void {
  for (const { steps } of plans) {
    for (const { op } of steps) {
      if (op?.kind !== 'run') continue;
      const own = op.network === 'default' ? network : op.network;
      if (own === 'host') demand('network.host', granted);
      if (op.security === 'insecure') demand('security.insecure', granted);
    }
  }
}

function demand(entitlement: Entitlement, granted: ReadonlySet<Entitlement>): void {
  if (granted.has(entitlement)) return;
  throw new EngineError('bad-request', `failed to load LLB: ${entitlement} is not allowed`);
}
