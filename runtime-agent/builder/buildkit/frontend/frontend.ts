import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { allTogether } from '../../../../lib/sync/concurrently.ts';
import { Semaphore } from '../../../../lib/sync/semaphore.ts';
import { EngineError } from '../../../errors.ts';
import type { ImageAttestations } from '../../../images/attestations/image-attestations.ts';
import type { Platform } from '../../../images/image.ts';
import { platformText } from '../../../images/platform.ts';
import type { Builder, BuildProgress } from '../../builder.ts';
import { provenance } from '../../provenance.ts';
import type { Build, SolvedImage } from '../builds/build.ts';
import type { Sessions } from '../session/sessions.ts';
import { decodeFrontendOptions } from './frontend-options.ts';
import type { FrontendOptions } from './options.ts';
import { type SentWithRequest, SessionSource, type SourcePlaces } from './session-source.ts';

export interface FrontendCall {
  /** Only `dockerfile.v0` exists. */
  readonly name: string;
  readonly options: FrontendOptions;
  /** Results of other builds used as inputs: image IDs by their keys. */
  readonly images: ReadonlyMap<string, string>;
  /** Parts of the request itself rather than of the session. */
  readonly sent?: SentWithRequest | undefined;
}

/** Dependencies of the frontend. */
export interface FrontendDeps {
  readonly builder: Builder;
  readonly sessions: Sessions;
  readonly places: SourcePlaces;
  readonly attestations: Pick<ImageAttestations, 'put'>;
  /** The host's own. */
  readonly platform: Platform;
}

/** Runs the Dockerfile frontend; it reads the sources through the client's session. */
export class Frontend {
  readonly #deps: FrontendDeps;

  constructor(deps: FrontendDeps) {
    this.#deps = deps;
  }

  /**
   * Builds the images, one per platform, concurrently; they are held until the build ends. Throws EngineError as
   * Builder.build() does.
   */
  async solve(build: Build, call: FrontendCall, abort: AbortSignal): Promise<readonly SolvedImage[]> {
    if (call.name !== 'dockerfile.v0') {
      throw new EngineError(
        'not-implemented',
        `the frontend ${call.name} is not offered: there is dockerfile.v0`,
      );
    }
    const plan = decodeFrontendOptions(call.options, call.images);
    const { builder, sessions, places, attestations, platform: own } = this.#deps;
    const { session: id } = build.options;
    const session = id === '' ? undefined : await sessions.get(id, abort);
    const signal = AbortSignal.any([abort, build.ended, ...(session === undefined ? [] : [session.closed])]);
    const progress = build.progress.bind(build);
    const source = new SessionSource({ plan, session, sent: call.sent, places, progress });
    const { cacheTo, inlineCache, sends, pushesTo, entitlements } = build.options;
    const named = [...plan.namedContexts].map(
      ([name, context]) =>
        [name, context.kind === 'image' ? `docker-image://${context.reference}` : undefined] as const,
    );
    const turns = new Semaphore(Math.max(2, availableParallelism()));
    const solve = async (platform: Platform | undefined, abort: AbortSignal): Promise<SolvedImage> => {
      const request = {
        ...plan.request,
        source,
        namedContexts: new Map(named),
        cacheTo,
        inlineCache,
        sends,
        pushesTo,
        entitlements,
        ...(platform === undefined ? {} : { platform }),
      };
      const startedAt = new Date();
      const isOneOfMany = platform !== undefined && plan.platforms.length > 1;
      const told = isOneOfMany ? platformProgress(platform, progress) : progress;
      const image = await builder.build(request, told, abort);
      const result = {
        ref: randomUUID(),
        platform: platform ?? own,
        image,
        isIndexed: plan.multiPlatform,
      };
      build.keep(result);
      const mode = plan.attestations.provenance;
      if (mode !== undefined) {
        const finished = { id: build.ref, request, image, startedAt, finishedAt: new Date() };
        await attestations.put(image.id, provenance({ ...finished, platform: result.platform }, mode));
      }
      return result;
    };
    try {
      const platforms = plan.platforms.length === 0 ? [undefined] : plan.platforms;
      const solved = await allTogether(platforms, signal, (platform, either) =>
        turns.hold(either, () => solve(platform, either)),
      );
      const images = solved.map(({ image }) => image);
      build.folderCache = await builder.leaveCaches(images, { cacheTo, source }, progress, signal);
      return solved;
    } finally {
      await source.close();
    }
  }
}

/** Reports the steps of one platform among others, as BuildKit prints them: `[linux/arm64 2/3] COPY …`. */
function platformProgress(
  platform: Platform,
  progress: (step: BuildProgress) => void,
): (step: BuildProgress) => void {
  const prefix = platformText(platform);
  const idOf = (id: string) => `${prefix} ${id}`;
  return (step) => {
    if (step.kind !== 'planned') {
      progress({ ...step, id: idOf(step.id) });
      return;
    }
    const name = step.name.replace(/^\[(?!internal\])/, `[${prefix} `);
    progress({ ...step, id: idOf(step.id), name, inputs: step.inputs.map(idOf) });
  };
}
