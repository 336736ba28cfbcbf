import { randomUUID } from 'node:crypto';
import type { Digest } from '../../../oci/digest.ts';
import type { Step } from '../solver/step.ts';
import type { BuildScope, SharedParts, StepOutputPart } from './build-scope.ts';
import type { StepOutput } from './run-process.ts';

/** The result of a step. */
export interface StepOutcome {
  /** Undefined if it changed no file. */
  readonly diffId: Digest | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

export interface StepEvents {
  cached(): void;
  /** `container` is the ID of the container of a command. */
  started(container?: string): void;
  output: StepOutput;
}

/** Keys of one step; the first is its own, the others are shortcuts. */
export type Keys = readonly [string, ...string[]];

export type Make = (signal: AbortSignal, output: StepOutput) => Promise<Digest | undefined>;

/** Finds cached results of steps, or has them built: each once, for all concurrent builds. */
export class StepOnce {
  readonly #parts: SharedParts;
  readonly #scope: BuildScope;
  /** Work that this build has started, which reads its context even when only other builds wait for it. */
  readonly #begun = new Set<Promise<unknown>>();
  readonly #used = new Set<string>();
  /** The configuration steps that it has done. */
  readonly #configured = new Set<string>();

  constructor(parts: SharedParts, scope: BuildScope) {
    this.#parts = parts;
    this.#scope = scope;
  }

  /** Resolves when all work that this build has started has ended, and its use of earlier steps is recorded. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#begun);
    this.#parts.cache.touch([...this.#used]);
    this.#parts.cache.config.note(this.#configured);
  }

  /** Finds the step under the first known key, or builds it, together with concurrent builds of the same step. */
  async once(step: Step, keys: Keys, reuses: boolean, events: StepEvents, make: Make): Promise<StepOutcome> {
    const { running } = this.#parts;
    const { signal } = this.#scope;
    const known = reuses ? await this.known(keys) : undefined;
    if (known !== undefined) {
      this.record(step, keys, known);
      events.cached();
      return known;
    }
    events.started();
    const [key] = keys;
    const report = ({ stream, data }: StepOutputPart) => events.output(stream, data);
    const began: Begun = { outcome: undefined };
    await running.join(reuses ? key : randomUUID(), signal, report, (workSignal, share) => {
      const work = this.#make(step, keys, make, workSignal, (stream, data) => share({ stream, data })).then(
        (outcome) => {
          began.outcome = outcome;
        },
      );
      this.#begun.add(work);
      const done = () => this.#begun.delete(work);
      work.then(done, done);
      return work;
    });
    const outcome = began.outcome ?? (await this.find([key]));
    if (outcome === undefined) throw new Error(`the result of the step "${step.text}" was removed at once`);
    if (outcome.diffId !== undefined) await this.#scope.held.take(outcome.diffId);
    this.record(step, keys, outcome);
    return outcome;
  }

  /** Reports whether an earlier build has done this configuration step too. */
  async configure(key: string): Promise<boolean> {
    this.#configured.add(key);
    return await this.#parts.cache.config.has(key);
  }

  async #make(
    step: Step,
    keys: Keys,
    make: Make,
    signal: AbortSignal,
    output: StepOutput,
  ): Promise<StepOutcome> {
    const { cache, run } = this.#parts;
    const diffId = await make(signal, output);
    const size = diffId === undefined ? 0 : await run.layerStore.contentSize(diffId);
    const createdAt =
      this.#scope.request.sourceDateEpoch === undefined
        ? Date.now()
        : this.#scope.request.sourceDateEpoch * 1000;
    await cache.put(keys, { diffId, description: step.text, size, createdAt });
    return { diffId, createdAt };
  }

  /** Returns a result from earlier builds here, or from a cache that this build uses. */
  async known(keys: readonly string[]): Promise<StepOutcome | undefined> {
    return (
      (await this.find(keys)) ?? (await this.#scope.shared.find(keys)) ?? (await this.#findWithoutLayer(keys))
    );
  }

  /** Records a step for the caches that the build writes. */
  record({ text: description }: Step, keys: readonly string[], { diffId, createdAt }: StepOutcome): void {
    this.#scope.shared.record({ keys, diffId, description, createdAt });
  }

  /** Returns this host's result under one of the keys; the build holds it. */
  async find(keys: readonly string[]): Promise<StepOutcome | undefined> {
    for (const key of keys) {
      const step = await this.#parts.cache.find(key);
      if (step === undefined) continue;
      const { diffId, createdAt } = step;
      if (diffId !== undefined && !(await this.#scope.held.take(diffId))) continue;
      this.#used.add(key);
      return { diffId, createdAt };
    }
    return undefined;
  }

  async #findWithoutLayer(keys: readonly string[]): Promise<StepOutcome | undefined> {
    for (const key of keys) {
      const step = await this.#parts.cache.find(key);
      if (step?.diffId === undefined) continue;
      const { diffId, description, createdAt } = step;
      if (!this.#scope.shared.expect(keys, { keys, diffId, description, createdAt })) continue;
      this.#used.add(key);
      return { diffId, createdAt };
    }
    return undefined;
  }

  /** Makes a layer from a tar; the build holds it. */
  async keep(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Digest> {
    const { held } = this.#scope;
    return await this.#parts.run.layerStore.addNew(tar, (diffId) => held.claim(diffId), signal);
  }
}

interface Begun {
  outcome: StepOutcome | undefined;
}
