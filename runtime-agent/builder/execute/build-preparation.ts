import { posix } from 'node:path';
import { PatternError } from '../../../lib/pattern/glob.ts';
import { Pace } from '../../../lib/sync/pace.ts';
import type { ImageConfigDefaults } from '../../../oci/image-config.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import type { Images, PullProgress } from '../../images/images.ts';
import type { PendingImages } from '../../images/pending/pending-images.ts';
import { hostPlatform } from '../../images/platform.ts';
import type { BuildProgress, BuildRequest, NumberedInstruction } from '../builder.ts';
import { exactPattern, ignoreLines, ignoreRules } from '../context/ignore-rules.ts';
import { malformedIgnoreFile } from '../context/ignored-tree.ts';
import { type Entitlement, grantedEntitlements, refuseUngranted } from '../entitlements.ts';
import { type CheckOptions, parseCheckOptions } from '../frontend/directives.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { Instruction } from '../frontend/instruction.ts';
import { lintDockerfile } from '../frontend/lint/lint-dockerfile.ts';
import { type Dockerfile, parseDockerfile, parseTrigger, type Stage } from '../frontend/parse-dockerfile.ts';
import { announcedSteps } from '../solver/announce.ts';
import {
  type GivenArguments,
  globalScope,
  platformArguments,
  unusedArguments,
} from '../solver/build-arguments.ts';
import { imageKey, type NeededStage, neededImages, neededStages } from '../solver/needed-stages.ts';
import { planStage } from '../solver/plan-stage.ts';
import { type NameScope, type Source, targetStage } from '../solver/stage-sources.ts';
import type { StagePlan } from '../solver/step.ts';
import { type BaseImage, findBaseImage } from './base-images.ts';
import type { HeldLayers } from './held-layers.ts';
import { PreparedBuild } from './prepared-build.ts';

export interface BuildPreparationOptions {
  readonly images: Images;
  readonly pendingImages: PendingImages;
  readonly request: BuildRequest;
  /** Entitlements that clients may grant. */
  readonly allowed: readonly Entitlement[];
  readonly held: HeldLayers;
  readonly progress: (step: BuildProgress) => void;
  readonly signal: AbortSignal;
}

/** Configuration of images from scratch, as in both builders. */
const NO_CONFIG: ImageConfigDefaults = {
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  WorkingDir: '/',
};

/** The phase before the first step: reads the Dockerfile, finds base images and plans the stages. */
export class BuildPreparation {
  readonly #options: BuildPreparationOptions;
  readonly #bases = new Map<string, BaseImage>();

  constructor(options: BuildPreparationOptions) {
    this.#options = options;
  }

  /** Prepares the build, and reports all steps to the client. Throws EngineError. */
  async prepare(): Promise<PreparedBuild> {
    const { request, progress, allowed } = this.#options;
    const granted = grantedEntitlements(request.entitlements, allowed);
    // Both are requested at once; errors of the Dockerfile are reported first.
    const reading = this.#readIgnored();
    reading.catch(() => undefined);
    const dockerfile = await this.#readDockerfile();
    const scope = this.#nameScope(dockerfile);
    const target = targetStage(dockerfile, request.target);
    const plans = this.#plan(scope, await this.#resolve(scope, target));
    refuseUngranted(plans.values(), request.network, granted);
    const ignored = await reading;
    for (const step of announcedSteps([...plans.values()].sort((a, b) => a.index - b.index))) progress(step);
    const first = [...plans.values()][0]?.fromId ?? '';
    checkDockerfile(dockerfile, request.buildArguments, first, progress);
    this.#warnOfUnused(scope, plans);
    return new PreparedBuild({ plans, target: target.index, bases: this.#bases, ignored });
  }

  async #readDockerfile(): Promise<Dockerfile> {
    const { source, dockerfile: name } = this.#options.request;
    const content = await source.readDockerfile(name, this.#options.signal);
    if (content === undefined) {
      throw new EngineError('bad-request', `Cannot locate specified Dockerfile: ${name}`);
    }
    return parseDockerfile(name, content);
  }

  /** Returns the patterns that exclude files of the main context. */
  async #readIgnored(): Promise<readonly string[]> {
    const { source, dockerfile } = this.#options.request;
    if (source.ignoring === 'all') return await this.#readIgnoreFile();
    if (source.ignoring === 'nothing') return [];
    const content = await source.readDockerfile('.dockerignore', this.#options.signal);
    return content === undefined ? [] : await ignoredOf(['.dockerignore', dockerfile], content);
  }

  /** The ignore file of the Dockerfile takes precedence over that of the context. */
  async #readIgnoreFile(): Promise<readonly string[]> {
    const { source, dockerfile } = this.#options.request;
    const [own, common] = [`${dockerfile}.dockerignore`, '.dockerignore'].map((name) =>
      source.readDockerfile(name, this.#options.signal),
    );
    common?.catch(() => undefined);
    const content = (await own) ?? (await common);
    const lines = content === undefined ? [] : ignoreLines(content);
    refuseMalformed(lines);
    return lines;
  }

  #nameScope(dockerfile: Dockerfile): NameScope {
    const { buildArguments, platform, target, namedContexts } = this.#options.request;
    const host = hostPlatform();
    const platforms = platformArguments(platform ?? host, host, target ?? 'default');
    return { dockerfile, global: globalScope(dockerfile, buildArguments, platforms), namedContexts };
  }

  /** Images have instructions of their own (ONBUILD), which may need further stages and images. */
  async #resolve(scope: NameScope, target: Stage): Promise<readonly NeededStage[]> {
    const triggers = (stage: Stage, base: Source): readonly Instruction[] =>
      this.#triggersOf(scope, base).map((trigger) =>
        parseTrigger(trigger, scope.dockerfile.escapeToken, stage.from.at),
      );
    for (;;) {
      const stages = neededStages(scope, target, triggers);
      const missing = neededImages(scope, stages).filter((image) => !this.#bases.has(imageKey(image)));
      if (missing.length === 0) return stages;
      await Promise.all(missing.map((image) => this.#findImage(scope, stages, image)));
    }
  }

  #triggersOf({ dockerfile }: NameScope, base: Source): readonly string[] {
    if (base.kind === 'image') return this.#bases.get(imageKey(base))?.config.config.OnBuild ?? [];
    if (base.kind !== 'stage') return [];
    const { instructions = [] } = dockerfile.stages[base.index] ?? {};
    return instructions.flatMap((each) => (each.kind === 'onbuild' ? [each.trigger] : []));
  }

  async #findImage(
    scope: NameScope,
    stages: readonly NeededStage[],
    image: Extract<Source, { readonly kind: 'image' }>,
  ): Promise<void> {
    const { images, pendingImages, request } = this.#options;
    const { source, pull, platform } = request;
    const id = `image ${imageKey(image)}`;
    this.#options.progress({
      kind: 'planned',
      id,
      name: `[internal] load metadata for ${image.reference}`,
      inputs: [],
    });
    this.#options.progress({ kind: 'started', id, at: new Date() });
    const user = stages.find(
      ({ base }) => base === image || (base.kind === 'image' && imageKey(base) === imageKey(image)),
    );
    const at = (user?.stage ?? scope.dockerfile.stages[0])?.from.at ?? scope.dockerfile.at;
    try {
      const progress = (step: PullProgress) => notifyPull(this.#options.progress, id, step);
      const options = { images, pendingImages, source, pull, progress, signal: this.#options.signal };
      const found = await findBaseImage(image.reference, image.platform ?? platform, options);
      for (const diffId of found.config.diffIds) {
        if (!(await this.#options.held.take(diffId)))
          throw new EngineError('not-found', `layer ${diffId} is not on this host`);
      }
      this.#bases.set(imageKey(image), found);
      this.#options.progress({ kind: 'completed', id, at: new Date() });
    } catch (error) {
      this.#options.progress({
        kind: 'failed',
        id,
        at: new Date(),
        message: (error as Error).message,
        ...(user === undefined ? {} : { instruction: numberedFrom(stages, user) }),
      });
      if (!isEngineError(error)) throw error;
      const { message } = dockerfileError(at, `FROM: ${error.message}`);
      throw new EngineError(error.code, message, { cause: error });
    }
  }

  #plan(scope: NameScope, needed: readonly NeededStage[]): ReadonlyMap<number, StagePlan> {
    const plans = new Map<number, StagePlan>();
    for (const each of needed) {
      const { base } = each;
      const below = base.kind === 'stage' ? plans.get(base.index) : undefined;
      const baseConfig = below?.config ?? this.#imageOf(base)?.config.config;
      plans.set(
        each.stage.index,
        planStage({
          scope,
          needed: each,
          baseConfig: baseConfig ?? NO_CONFIG,
          ...(below === undefined ? {} : { below }),
          given: this.#options.request.buildArguments,
        }),
      );
    }
    return plans;
  }

  #warnOfUnused(scope: NameScope, plans: ReadonlyMap<number, StagePlan>): void {
    const taken = new Set([...plans.values()].flatMap(({ takenArguments }) => [...takenArguments]));
    for (const { pairs } of scope.dockerfile.globalArguments) for (const { name } of pairs) taken.add(name);
    const unused = unusedArguments(this.#options.request.buildArguments, taken);
    if (unused.length === 0) return;
    const message = `One or more build-args [${unused.join(' ')}] were not consumed`;
    this.#options.progress({ kind: 'warning', id: [...plans.values()][0]?.fromId ?? '', message });
  }

  #imageOf(source: Source): BaseImage | undefined {
    return source.kind === 'image' ? this.#bases.get(imageKey(source)) : undefined;
  }
}

/** Returns the patterns of the ignore files. An unreadable one excludes nothing, as with dockerd. */
async function ignoredOf(files: readonly string[], content: string): Promise<readonly string[]> {
  try {
    const rules = ignoreRules(ignoreLines(content));
    const pace = new Pace();
    const ignored: string[] = [];
    for (const file of files) {
      if (await rules.excludes(posix.normalize(file), pace)) ignored.push(exactPattern(file));
    }
    return ignored;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    return [];
  }
}

/** Throws EngineError 'bad-request'. */
function refuseMalformed(ignored: readonly string[]): void {
  try {
    ignoreRules(ignored);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw malformedIgnoreFile(error);
  }
}

/** The argument with which a client requests checks. */
const ARGUMENT = 'BUILDKIT_DOCKERFILE_CHECK';

/**
 * Reports the lint of a Dockerfile that requests it, as warnings of the step `id`. Throws EngineError 'bad-request' if
 * findings must fail the build.
 */
function checkDockerfile(
  dockerfile: Dockerfile,
  given: GivenArguments,
  id: string,
  progress: (step: BuildProgress) => void,
): void {
  const options = askedOptions(dockerfile, given);
  if (options === undefined) return;
  const findings = lintDockerfile(dockerfile, options);
  for (const { rule, message, at } of findings) {
    const { line } = at;
    progress({ kind: 'warning', id, message: `${rule}: ${message} (line ${line})`, line });
  }
  if (!options.failsBuild || findings.length === 0) return;
  const rules = [...new Set(findings.map(({ rule }) => rule))].sort();
  const lines = findings.map(({ rule, message, at }) => `${at.text.name}:${at.line}: ${rule}: ${message}`);
  throw new EngineError(
    'bad-request',
    [`lint violation found for rules: ${rules.join(', ')}`, ...lines].join('\n'),
  );
}

function askedOptions({ check }: Dockerfile, given: GivenArguments): CheckOptions | undefined {
  const asked = given.get(ARGUMENT);
  if (asked === undefined || asked === '') return check;
  try {
    return parseCheckOptions(asked);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new EngineError('bad-request', `${ARGUMENT}: ${error.message}`, { cause: error });
  }
}

/** Reports the pull of a base image as progress of the step `id`. */
function notifyPull(progress: (step: BuildProgress) => void, id: string, step: PullProgress): void {
  if (step.kind !== 'layer' || step.current === undefined) return;
  progress({
    kind: 'progress',
    id,
    what: `${step.state} ${step.id}`,
    current: step.current,
    ...(step.total === undefined ? {} : { total: step.total }),
  });
}

/** The FROM of a stage, numbered as far as the instructions are known. */
function numberedFrom(stages: readonly NeededStage[], user: NeededStage): NumberedInstruction {
  const sizes = stages.map(({ instructions }) => 1 + instructions.length);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, size) => total + size, 0);
  const before = sum(sizes.slice(0, stages.indexOf(user)));
  return { text: user.stage.from.text, number: 1 + before, count: sum(sizes) };
}
