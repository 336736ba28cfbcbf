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

/** The door of the builder by which buildx and Compose come in: BuildKit's control API, as far as they call it. */
export interface BuildkitDoor {
  /**
   * Looks at a request for an upgrade to h2c, and answers what takes its connection over once the 101 is written: on that of `POST /grpc`
   * the agent serves, on that of `POST /session` the client does. Throws EngineError 'bad-request'.
   */
  accept(request: IncomingMessage): Promise<(connection: Duplex) => void>;
  /** Builds what `POST /build?version=2` asks for, and tells of it until there is an image. Throws EngineError. */
  build(request: EngineBuild, signal: AbortSignal): AsyncIterable<EngineBuildUpdate>;
  /** Cuts all of its connections, which ends their builds. */
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
  /** All that builds keep, copies of contexts included. */
  readonly cache: BuildCache;
}

export function createBuildkitDoor(options: BuildkitOptions): BuildkitDoor {
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
 * HTTP/2 knows no connection of which one half is closed, and other connections of the agent do: left so, those of a client that was killed
 * would seem to be open until something is written to them.
 */
function endingWithClient(take: (connection: Duplex) => void): (connection: Duplex) => void {
  return (connection) => {
    connection.allowHalfOpen = false;
    take(connection);
  };
}
