import { goDuration, timestamp } from '../../../lib/time/timestamp.ts';
import type { EngineEvent, EventBus } from '../../events/event-bus.ts';
import type { Container } from '../container.ts';
import type { ContainerIndex } from '../container-index.ts';
import type { HealthLogEntry } from '../container-info.ts';
import type { Execs } from '../exec/execs.ts';
import { afterProbe, type ProbePlan, probeDelay, probePlan } from '../plan/health.ts';

/** Maximum delay of a Node timer. */
const LONGEST_DELAY = 0x7fffffff;

/** Signal number in the event of a SIGKILL. */
const KILL = '9';

export interface HealthDeps {
  readonly index: ContainerIndex;
  readonly events: EventBus;
  readonly execs: Pick<Execs, 'run'>;
}

/**
 * Probes every running container that has a health check. Probing begins at the events `start` and `unpause`, and ends at
 * `die`, `pause` and a `kill` with SIGKILL, which also kill a probe in progress.
 */
export class HealthChecks {
  readonly #deps: HealthDeps;
  readonly #probed = new Map<string, AbortController>();
  readonly #unsubscribe: () => void;

  constructor(deps: HealthDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.events.subscribe((event) => this.#follow(event));
    for (const container of deps.index.all()) this.#begin(container);
  }

  close(): void {
    this.#unsubscribe();
    for (const id of this.#probed.keys()) this.#end(id);
  }

  #follow({ type, action, id, attributes }: EngineEvent): void {
    if (type !== 'container') return;
    const container = this.#deps.index.byId(id);
    // The end of a probe that is killed with its container may be observed first.
    const isKilled = action === 'kill' && attributes.signal === KILL;
    if (action === 'start' || action === 'unpause') {
      if (container !== undefined) this.#begin(container);
    } else if (action === 'die' || action === 'pause' || isKilled) this.#end(id);
  }

  #begin(container: Container): void {
    this.#end(container.id);
    const plan = probePlan(container.info.config);
    if (plan === undefined || container.info.state.status !== 'running') return;
    const ending = new AbortController();
    this.#probed.set(container.id, ending);
    this.#schedule(container, plan, ending.signal);
  }

  #end(id: string): void {
    this.#probed.get(id)?.abort();
    this.#probed.delete(id);
  }

  #schedule(container: Container, plan: ProbePlan, signal: AbortSignal): void {
    const { health } = container.info.state;
    if (health === undefined) return;
    const delay = probeDelay(health, plan, container.runAge);
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', cancel);
        void this.#probe(container, plan, signal);
      },
      Math.min(delay, LONGEST_DELAY),
    );
    const cancel = () => clearTimeout(timer);
    signal.addEventListener('abort', cancel, { once: true });
    timer.unref();
  }

  async #probe(container: Container, plan: ProbePlan, signal: AbortSignal): Promise<void> {
    const age = container.runAge;
    const entry = await runProbe(this.#deps.execs, container.id, plan, signal);
    const before = container.info.state.health;
    if (entry === undefined || before === undefined || signal.aborted) return;
    const health = afterProbe(before, entry, plan, age);
    container.change({ state: { health } });
    if (health.Status !== before.Status) {
      container.publish(`health_status: ${health.Status}`);
      await container.save().catch((error: unknown) => {
        container.log.error({ err: error }, 'the health of a container could not be stored');
      });
    }
    if (!signal.aborted) this.#schedule(container, plan, signal);
  }
}

/** Maximum bytes of a probe's output. */
const OUTPUT_LIMIT = 4096;
const LONGEST_TIMEOUT = 0x7fffffff;

/** Runs one probe to its exit or timeout. Returns undefined if `signal` aborts it. Never rejects. */
async function runProbe(
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
    // One byte more than is kept reveals that there is more.
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
