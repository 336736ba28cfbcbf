import { EngineError } from '../../errors.ts';

/** `loopback`: a network namespace of its own with nothing but loopback. `host`: the host's. */
export type NetworkPlan = 'loopback' | 'host';

/** Throws EngineError 'not-implemented' for networks that this agent does not have. */
export function planNetwork(mode: string): NetworkPlan {
  if (mode === 'host') return 'host';
  if (mode === '' || mode === 'default' || mode === 'bridge' || mode === 'none') return 'loopback';
  throw new EngineError(
    'not-implemented',
    `network ${mode.slice(0, 80)} is not available: this agent does not make networks yet, use none, host or the default`,
  );
}
