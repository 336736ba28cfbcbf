import type { HealthLogEntry } from '../container.ts';
import { timestamp } from '../lifecycle/timestamps.ts';
import { goDuration } from './go-duration.ts';
import type { ProbePlan } from './probe-plan.ts';
import type { Prober } from './prober.ts';

/** Bytes of a probe's output that are kept. */
const OUTPUT_LIMIT = 4096;

/** One probe, to its end or its timeout; undefined when `signal` aborted it. Never throws. */
export async function runProbe(
  prober: Prober,
  containerId: string,
  plan: ProbePlan,
  signal: AbortSignal,
): Promise<HealthLogEntry | undefined> {
  const Start = timestamp();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), Math.min(plan.timeout, 0x7fffffff));
  let ExitCode = -1;
  let Output = '';
  try {
    const outcome = await prober.probe(containerId, plan.command, {
      outputLimit: OUTPUT_LIMIT,
      signal: AbortSignal.any([signal, late.signal]),
    });
    const text = Buffer.from(outcome.output).toString('utf8') + (outcome.truncated ? '...' : '');
    ExitCode = late.signal.aborted ? -1 : outcome.exitCode;
    Output = late.signal.aborted ? tooLate(plan, text) : text;
  } catch (error) {
    Output = late.signal.aborted ? tooLate(plan, '') : (error as Error).message;
  } finally {
    clearTimeout(timer);
  }
  return signal.aborted ? undefined : { Start, End: timestamp(), ExitCode, Output };
}

function tooLate(plan: ProbePlan, output: string): string {
  const text = `Health check exceeded timeout (${goDuration(plan.timeout)})`;
  return output === '' ? text : `${text}: ${output}`;
}
