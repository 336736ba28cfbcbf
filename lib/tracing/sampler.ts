import { ConfigError } from '../settings/config-error.ts';
import type { SpanContext } from './trace.ts';

/** Decides which traces are recorded. */
export type Sampler = (traceId: string, parent: SpanContext | undefined) => boolean;

/** Names of OTEL_TRACES_SAMPLER (OpenTelemetry, "General SDK Configuration"). */
export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** Returns a sampler by its name; `argument` is the share of traces, 0 to 1. Throws ConfigError. */
export function samplerOf(name = 'parentbased_always_on', argument = '1'): Sampler {
  if (!SAMPLERS.some((known) => known === name)) {
    throw new ConfigError(`"${name}" is not a known sampler of traces: choose one of ${SAMPLERS.join(', ')}`);
  }
  const ratio = name.endsWith('on') ? 1 : name.endsWith('off') ? 0 : Number(argument);
  if (argument.trim() === '' || !(ratio >= 0 && ratio <= 1)) {
    throw new ConfigError(`"${argument}" is not a share of traces: write a number from 0 to 1`);
  }
  // The last 14 digits of a trace ID are random (W3C Trace Context, level 2).
  const limit = ratio * 2 ** 56;
  const own = (traceId: string) => ratio === 1 || Number.parseInt(traceId.slice(18), 16) < limit;
  if (!name.startsWith('parentbased')) return own;
  return (traceId, parent) => parent?.sampled ?? own(traceId);
}
