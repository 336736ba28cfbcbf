import type { Digest } from '../../../oci/digest.ts';
import type { ImageConfig } from '../../../oci/image-config.ts';
import { imageKey } from '../solver/needed-stages.ts';
import type { Source } from '../solver/stage-sources.ts';
import type { StagePlan } from '../solver/step.ts';
import type { BaseImage } from './base-images.ts';

export interface PreparedBuildParts {
  /** By stage index, each after the stages that it uses. */
  readonly plans: ReadonlyMap<number, StagePlan>;
  readonly target: number;
  readonly bases: ReadonlyMap<string, BaseImage>;
  /** The lines of the ignore file. */
  readonly ignored: readonly string[];
}

/** A build whose stages are planned and whose images are here. */
export class PreparedBuild {
  readonly #parts: PreparedBuildParts;

  constructor(parts: PreparedBuildParts) {
    this.#parts = parts;
  }

  get plans(): readonly StagePlan[] {
    return [...this.#parts.plans.values()];
  }

  get target(): StagePlan {
    return this.plan(this.#parts.target);
  }

  get ignored(): readonly string[] {
    return this.#parts.ignored;
  }

  /** The images from registries that the build used. */
  get materials(): readonly { readonly uri: string; readonly digest: Digest }[] {
    return [...this.#parts.bases.values()].map(({ reference, digest }) => ({
      uri: `pkg:docker/${reference}`,
      digest,
    }));
  }

  plan(index: number): StagePlan {
    const plan = this.#parts.plans.get(index);
    if (plan === undefined) throw new TypeError('a stage that is needed was planned');
    return plan;
  }

  imageOf(source: Source): BaseImage | undefined {
    return source.kind === 'image' ? this.#parts.bases.get(imageKey(source)) : undefined;
  }

  /** Returns the configuration of a stage's ultimate base image; undefined for scratch. */
  baseImageOf({ base }: StagePlan): ImageConfig | undefined {
    return base.kind === 'stage' ? this.baseImageOf(this.plan(base.index)) : this.imageOf(base)?.config;
  }
}
