import { createHash } from 'node:crypto';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { Digest } from '../../../../oci/digest.ts';
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
import { type Definition, DefinitionSchema, OpSchema } from '../proto/ops_pb.ts';

/** Dependencies of the bridge. */
export interface BridgeDeps {
  readonly builds: Builds;
  readonly frontend: Frontend;
  readonly worker: WorkerFacts;
}

/** The part of BuildKit's LLBBridge with which a client runs a frontend within its build. */
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

/** Capabilities of the bridge, by BuildKit's names (frontend/gateway/pb/caps.go). */
const BRIDGE = [
  'solve.base',
  'return',
  'returnmap',
  'proto.refarray',
  'reference.output',
  'frontend.inputs',
  'frontend.caps',
  'importcaches',
  'gateway.evaluate',
];

/** Capabilities of builds, by BuildKit's names (solver/pb/caps.go): clients check them before they send options. */
const BUILDS = [
  'source.image',
  'source.image.resolvemode',
  'source.local',
  'source.local.followpaths',
  'source.local.excludepatterns',
  'source.local.sharedkeyhint',
  'exec.meta.base',
  'exec.meta.network',
  'exec.mount.bind',
  'exec.mount.cache',
  'exec.mount.tmpfs',
  'exec.mount.secret',
  'exec.mount.ssh',
  'file.base',
  'platform',
  'exporter.image.attestations',
  'exporter.multiple',
  'exporter.sourcedateepoch',
];

const BRIDGE_CAPS = BRIDGE.map(enabled);
const BUILD_CAPS = BUILDS.map(enabled);

function enabled(ID: string): { readonly ID: string; readonly Enabled: true } {
  return { ID, Enabled: true };
}

/** The name of a built image in a definition that the client gets and returns as the input of another build. */
const SCHEME = 'docker-image://berth.invalid/built@';

/** A definition that only identifies an image: clients check only its form. */
function imageDefinition(id: Digest): Definition {
  const source = toBinary(OpSchema, create(OpSchema, { source: { identifier: `${SCHEME}${id}` } }));
  const digest = `sha256:${createHash('sha256').update(source).digest('hex')}`;
  const head = toBinary(OpSchema, create(OpSchema, { inputs: [{ digest, index: 0n }] }));
  return create(DefinitionSchema, { def: [source, head], metadata: { [digest]: {} } });
}

/** The image that imageDefinition() was made of; undefined for any other definition. */
function definedImage(definition: Definition): string | undefined {
  const identifiers = definition.def.map((op) => fromBinary(OpSchema, op).source?.identifier ?? '');
  return identifiers.find((identifier) => identifier.startsWith(SCHEME))?.slice(SCHEME.length);
}
