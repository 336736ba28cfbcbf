import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { BuildProgress } from '../../builder.ts';
import type { VertexStatusSchema } from '../proto/control_pb.ts';
import type { StatusUpdate } from './status-log.ts';

/** Bytes of a step's output that are passed on, as BuildKit limits them. */
const LOG_LIMIT = 2 << 20;

interface Step {
  readonly digest: string;
  readonly name: string;
  readonly inputs: readonly string[];
  started?: Timestamp;
  cached: boolean;
  /** Whether this build has begun to run the step. */
  built: boolean;
  logged: number;
  readonly statuses: Map<string, MessageInitShape<typeof VertexStatusSchema>>;
}

/** Describes the steps of one build as the vertexes that BuildKit's clients show. */
export class StepVertexes {
  readonly #build: string;
  readonly #steps = new Map<string, Step>();

  /** `build` distinguishes its steps from those of other builds. */
  constructor(build: string) {
    this.#build = build;
  }

  /**
   * Returns undefined when there is nothing to show: BuildKit has no vertexes for steps that change only the
   * configuration.
   */
  update(progress: BuildProgress): StatusUpdate | undefined {
    if (progress.kind === 'planned')
      return progress.isConfigOnly === true ? undefined : this.#planned(progress);
    const step = this.#steps.get(progress.id);
    if (step === undefined) return undefined;
    switch (progress.kind) {
      case 'started':
        // A cached step is built after all if its layer cannot be fetched; to clients it is the same run of the step.
        step.started ??= timestampFromDate(progress.at);
        step.cached = false;
        step.built = true;
        return { vertexes: [this.#vertex(step)] };
      case 'cached': {
        const at = timestampFromDate(progress.at);
        step.started ??= at;
        // Repeated at the end, as clients use the last value. A build that restarts its steps finds those that it has
        // built itself.
        step.cached = !step.built;
        return { vertexes: [{ ...this.#vertex(step), completed: at }] };
      }
      case 'completed': {
        const at = timestampFromDate(progress.at);
        step.started ??= at;
        return {
          vertexes: [{ ...this.#vertex(step), completed: at }],
          statuses: completedStatuses(step, at),
        };
      }
      case 'failed': {
        const at = timestampFromDate(progress.at);
        step.started ??= at;
        return { vertexes: [{ ...this.#vertex(step), completed: at, error: progress.message }] };
      }
      case 'progress':
        return { statuses: [status(step, progress)] };
      case 'log':
        return log(step, progress);
      case 'warning': {
        const { line } = progress;
        const position = { line: line ?? 0, character: 0 };
        const ranges = line === undefined ? [] : [{ start: position, end: position }];
        return {
          warnings: [{ vertex: step.digest, level: 1n, short: Buffer.from(progress.message), ranges }],
        };
      }
    }
  }

  #planned(progress: BuildProgress & { kind: 'planned' }): StatusUpdate {
    const inputs = progress.inputs.flatMap((id) => this.#steps.get(id)?.digest ?? []);
    const digest = `sha256:${createHash('sha256').update(`${this.#build}\n${progress.id}`).digest('hex')}`;
    const step = {
      ...{ digest, name: progress.name, inputs, cached: false, built: false, logged: 0 },
      statuses: new Map(),
    };
    this.#steps.set(progress.id, step);
    return { vertexes: [this.#vertex(step)] };
  }

  #vertex({ digest, name, inputs, started, cached }: Step) {
    return { digest, name, inputs: [...inputs], cached, ...(started === undefined ? {} : { started }) };
  }
}

function status(step: Step, progress: BuildProgress & { kind: 'progress' }) {
  const now = timestampFromDate(new Date());
  const { what, current, total } = progress;
  const known = step.statuses.get(what);
  const next = {
    ID: what,
    vertex: step.digest,
    name: what,
    current: BigInt(current),
    total: BigInt(total ?? 0),
    timestamp: now,
    started: known?.started ?? step.started ?? now,
    ...(total !== undefined && current >= total ? { completed: now } : {}),
  };
  step.statuses.set(what, next);
  return next;
}

/** The statuses of a completed step are completed too. */
function completedStatuses(step: Step, at: Timestamp) {
  return [...step.statuses.values()]
    .filter(({ completed }) => completed === undefined)
    .map((known) => ({ ...known, timestamp: at, completed: at }));
}

function log(step: Step, progress: BuildProgress & { kind: 'log' }): StatusUpdate | undefined {
  if (step.logged >= LOG_LIMIT) return undefined;
  const rest = LOG_LIMIT - step.logged;
  step.logged += progress.data.length;
  const clipped = progress.data.length >= rest;
  const msg = clipped
    ? Buffer.concat([
        progress.data.subarray(0, rest),
        Buffer.from('\n[output clipped, log limit 2MiB reached]\n'),
      ])
    : progress.data;
  const stream = progress.stream === 'stdout' ? 1n : 2n;
  return { logs: [{ vertex: step.digest, timestamp: timestampFromDate(new Date()), stream, msg }] };
}
