import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { Build, Builds, SolvedImage } from '../builds/build.ts';
import { type WorkerFacts, workerRecord } from '../control/worker-record.ts';
import type { Frontend } from '../frontend/frontend.ts';
import { grpcError } from '../grpc/grpc-error.ts';
import type {
  LLBBridge,
  ResultSchema,
  ReturnRequest,
  SolveRequest,
  SolveResponseSchema,
} from '../proto/gateway_pb.ts';
import { BRIDGE_CAPS, BUILD_CAPS } from './caps.ts';
import { definedImage, imageDefinition } from './image-definition.ts';

/** What the bridge is made over. */
export interface BridgeDeps {
  readonly builds: Builds;
  readonly frontend: Frontend;
  readonly worker: WorkerFacts;
}

/** The part of BuildKit's LLBBridge by which a client runs a frontend within its build. */
export function bridgeService(deps: BridgeDeps): ServiceImpl<typeof LLBBridge> {
  const buildOf = (context: HandlerContext): Promise<Build> => {
    const ref = context.requestHeader.get('buildkit-controlapi-buildid');
    if (ref === null) throw new ConnectError('the call names no build', Code.InvalidArgument);
    return deps.builds.get(ref, context.signal).catch((error: unknown) => {
      throw grpcError(error);
    });
  };
  return {
    ping: () => ({
      FrontendAPICaps: [...BRIDGE_CAPS],
      LLBCaps: [...BUILD_CAPS],
      Workers: [workerRecord(deps.worker)],
    }),
    async solve(request, context) {
      try {
        return await solve(deps.frontend, await buildOf(context), request, context.signal);
      } catch (error) {
        throw grpcError(error);
      }
    },
    async evaluate(request, context) {
      const build = await buildOf(context);
      if (build.solved(request.Ref) === undefined) {
        throw new ConnectError(`no result ${request.Ref} of this build`, Code.NotFound);
      }
      return {};
    },
    async return(request, context) {
      (await buildOf(context)).return(returned(request));
      return {};
    },
  };
}

async function solve(
  frontend: Frontend,
  build: Build,
  request: SolveRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof SolveResponseSchema>> {
  if (request.Frontend === '') {
    if ((request.Definition?.def.length ?? 0) === 0) return { result: {} };
    throw new ConnectError('berth-agent builds Dockerfiles, and no definitions of LLB', Code.Unimplemented);
  }
  const images = new Map<string, string>();
  for (const [name, definition] of Object.entries(request.FrontendInputs)) {
    const image = definedImage(definition);
    if (image !== undefined) images.set(name, image);
  }
  const options = new Map(Object.entries(request.FrontendOpt));
  const solved = await frontend.solve(build, { name: request.Frontend, options, images }, signal);
  return { result: result(solved) };
}

function result(solved: readonly SolvedImage[]): MessageInitShape<typeof ResultSchema> {
  const refs = solved.map(({ ref, platform, image }) => ({
    name: [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/'),
    ref: { id: ref, def: imageDefinition(image.id) },
  }));
  const [first] = refs;
  if (refs.length === 1 && first !== undefined) return { result: { case: 'ref', value: first.ref } };
  const value = { refs: Object.fromEntries(refs.map(({ name, ref }) => [name, ref])) };
  return { result: { case: 'refs', value } };
}

function returned(request: ReturnRequest) {
  if (request.error !== undefined && request.error.code !== 0) {
    return { error: new ConnectError(request.error.message, request.error.code) };
  }
  const value = request.result?.result;
  switch (value?.case) {
    case 'ref':
      return { refs: value.value.id === '' ? [] : [value.value.id] };
    case 'refs':
      return { refs: Object.values(value.value.refs).map(({ id }) => id) };
    case 'refDeprecated':
      return { refs: value.value === '' ? [] : [value.value] };
    default:
      return { refs: [] };
  }
}
