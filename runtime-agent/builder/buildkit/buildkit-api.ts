import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors.ts';
import type { ImageAttestations } from '../../images/attestations/image-attestations.ts';
import type { Images } from '../../images/images.ts';
import type { ImageIndexes } from '../../images/indexes/image-indexes.ts';
import type { BuildCache } from '../build-cache.ts';
import type { Builder } from '../builder.ts';
import type { ImageOutputs } from '../image-outputs.ts';
import { bridgeService } from './bridge/bridge-service.ts';
import { Builds } from './builds/build.ts';
import { controlService } from './control/control-service.ts';
import { type EngineBuild, type EngineBuildUpdate, engineBuild } from './control/engine-build.ts';
import type { WorkerFacts } from './control/worker-record.ts';
import { Frontend } from './frontend/frontend.ts';
import type { SourcePlaces } from './frontend/session-source.ts';
import { createGrpcServer } from './grpc/grpc-server.ts';
import { Control } from './proto/control_pb.ts';
import { LLBBridge } from './proto/gateway_pb.ts';
import { TraceService } from './proto/trace_pb.ts';
import { readSessionHeaders, Sessions } from './session/sessions.ts';

/** The part of BuildKit's control API that buildx and Compose call. */
export interface BuildkitApi {
  /**
   * Checks a request for an upgrade to h2c, and returns a function that takes the connection over once the 101 is written: `POST /grpc`
   * makes the agent the gRPC server, `POST /session` makes the client that. Throws EngineError 'bad-request'.
   */
  accept(request: IncomingMessage): Promise<(connection: Duplex) => void>;
  /** Runs a build of `POST /build?version=2` and yields its updates until there is an image. Throws EngineError. */
  build(request: EngineBuild, signal: AbortSignal): AsyncIterable<EngineBuildUpdate>;
  /** Closes all connections, which ends their builds. */
  close(): void;
}

export interface BuildkitOptions {
  readonly builder: Builder;
  readonly images: Images;
  readonly outputs: ImageOutputs;
  readonly attestations: Pick<ImageAttestations, 'put'>;
  readonly indexes: Pick<ImageIndexes, 'put'>;
  readonly worker: WorkerFacts;
  readonly places: SourcePlaces;
  /** The whole build cache, including copies of contexts. */
  readonly cache: BuildCache;
}

export function createBuildkitApi(options: BuildkitOptions): BuildkitApi {
  const { builder, images, indexes, outputs, attestations, worker, places, cache } = options;
  const sessions = new Sessions();
  const builds = new Builds();
  const frontend = new Frontend({ builder, sessions, places, attestations, platform: worker.platform });
  const solving = { builds, frontend, sessions, exporters: { images, indexes, outputs }, worker };
  const server = createGrpcServer((router) => {
    router.service(Control, controlService({ ...solving, cache }));
    router.service(LLBBridge, bridgeService({ builds, frontend, worker }));
    router.service(TraceService, { export: () => ({}) });
  });
  return {
    async accept(request) {
      if (request.headers.upgrade?.toLowerCase() !== 'h2c') {
        throw new EngineError('bad-request', 'BuildKit is spoken over an upgrade to h2c');
      }
      if (new URL(request.url ?? '', 'http://agent').pathname !== '/session') {
        return endingWithClient(server.serve);
      }
      const headers = readSessionHeaders(request.headers, request.rawHeaders);
      return endingWithClient((connection) => sessions.add(headers, connection));
    },
    build: (request, signal) => engineBuild(solving, request, signal),
    close() {
      sessions.close();
      server.close();
    },
  };
}

/**
 * Forbids half-open connections: HTTP/2 has none, but the agent's server allows them, and the connection of a killed
 * client would seem open until the next write.
 */
function endingWithClient(take: (connection: Duplex) => void): (connection: Duplex) => void {
  return (connection) => {
    connection.allowHalfOpen = false;
    take(connection);
  };
}
