import { goDuration } from '../../../lib/time/go-duration.ts';
import { timestamp } from '../../../lib/time/timestamp.ts';
import type { HealthLogEntry } from '../container.ts';
import type { Execs } from '../exec/execs.ts';
import type { ProbePlan } from '../plan/health.ts';

/** Bytes of a probe's output that are kept. */
const OUTPUT_LIMIT = 4096;
const LONGEST_TIMEOUT = 0x7fffffff;

/** One probe, to its end or its timeout; undefined when `signal` aborted it. Never rejects. */
export async function runProbe(
  execs: Pick<Execs, 'run'>,
  containerId: string,
  plan: ProbePlan,
  signal: AbortSignal,
): Promise<HealthLogEntry | undefined> {
  const Start = timestamp();
  const outcome = await probe(execs, containerId, plan, signal);
  return signal.aborted ? undefined : { Start, End: timestamp(), ...outcome };
}

async function probe(
  execs: Pick<Execs, 'run'>,
  containerId: string,
  plan: ProbePlan,
  signal: AbortSignal,
): Promise<Pick<HealthLogEntry, 'ExitCode' | 'Output'>> {
  const command = {
    cmd: plan.command,
    timeout: Math.min(Math.ceil(plan.timeout), LONGEST_TIMEOUT),
    // One more than is kept tells that there was more.
    maxOutput: OUTPUT_LIMIT + 1,
  };
  try {
    const { exitCode, output, timedOut } = await execs.run(containerId, command, signal);
    const Output = bounded(output);
    return timedOut ? { ExitCode: -1, Output: tooLate(plan, Output) } : { ExitCode: exitCode, Output };
  } catch (error) {
    return { ExitCode: -1, Output: (error as Error).message };
  }
}

function bounded(output: string): string {
  const bytes = Buffer.from(output);
  return bytes.length <= OUTPUT_LIMIT ? output : `${bytes.toString('utf8', 0, OUTPUT_LIMIT)}...`;
}

function tooLate(plan: ProbePlan, output: string): string {
  const text = `Health check exceeded timeout (${goDuration(plan.timeout)})`;
  return output === '' ? text : `${text}: ${output}`;
}
