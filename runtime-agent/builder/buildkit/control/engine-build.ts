import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { ConnectError } from '@connectrpc/connect';
import { EngineError } from '../../../errors.ts';
import type { ExporterRequest } from '../exporters/exporter-options.ts';
import type { FrontendOptions } from '../frontend/options.ts';
import type { SentWithRequest } from '../frontend/session-source.ts';
import { SolveRequestSchema, StatusResponseSchema } from '../proto/control_pb.ts';
import { type SolveDeps, solve } from './solve.ts';

/** A request `POST /build?version=2`, as moby's builder-next passes it to BuildKit. */
export interface EngineBuild {
  /** '' without a session. */
  readonly session: string;
  readonly options: FrontendOptions;
  readonly exporters: readonly ExporterRequest[];
  readonly entitlements: readonly string[];
  /** Whether the image is to hold the cache of its own steps. */
  readonly inlineCache: boolean;
  readonly sent: SentWithRequest;
}

export type EngineBuildUpdate =
  /** A StatusResponse of BuildKit's control API, in protobuf. */
  | { readonly kind: 'trace'; readonly message: Uint8Array }
  /** The image ID, at the end; absent if the outputs make no image. */
  | { readonly kind: 'image'; readonly id: string };

/**
 * Builds, and yields progress for clients of the Engine API. It yields nothing before the whole body of the request was
 * read: clients that see an answer may stop sending. Throws EngineError.
 */
export async function* engineBuild(
  deps: SolveDeps,
  { sent, ...asked }: EngineBuild,
  abort: AbortSignal,
): AsyncGenerator<EngineBuildUpdate> {
  const left = new AbortController();
  const signal = AbortSignal.any([abort, left.signal]);
  const request = create(SolveRequestSchema, {
    Ref: randomUUID(),
    Session: asked.session,
    Frontend: 'dockerfile.v0',
    FrontendAttrs: Object.fromEntries(asked.options),
    Exporters: asked.exporters.map(({ type, attributes }) => ({
      Type: type,
      Attrs: Object.fromEntries(attributes),
    })),
    Entitlements: [...asked.entitlements],
    Cache: { Exports: asked.inlineCache ? [{ Type: 'inline' }] : [] },
  });
  const taken = Promise.withResolvers<void>();
  const archive = sent.archive && announced(sent.archive, taken.resolve);
  const solving = solve(deps, { request, sent: { ...sent, archive } }, signal);
  const settled = solving.then(
    () => undefined,
    () => undefined,
  );
  try {
    const build = await deps.builds.get(request.Ref, signal);
    await Promise.race([archive === undefined ? undefined : taken.promise, settled]);
    for await (const update of build.status.follow(signal)) {
      yield { kind: 'trace', message: toBinary(StatusResponseSchema, create(StatusResponseSchema, update)) };
    }
    const { 'containerimage.digest': id } = await solving;
    if (id !== undefined) yield { kind: 'image', id };
  } catch (error) {
    if (error instanceof ConnectError) {
      throw new EngineError('bad-request', `failed to solve: ${error.message}`, { cause: error });
    }
    if (abort.aborted || !(error instanceof Error && error.name === 'AbortError')) throw error;
    throw new EngineError('conflict', 'the build was cancelled: the session of its client has ended', {
      cause: error,
    });
  } finally {
    left.abort();
  }
}

async function* announced(archive: AsyncIterable<Uint8Array>, ended: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* archive;
  } finally {
    ended();
  }
}
