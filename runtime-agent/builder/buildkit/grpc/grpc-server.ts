import { createServer, type ServerHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { Code, type ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { parseTraceparent, tracer } from '../../../../lib/tracing/trace.ts';

/** Serves gRPC on connections that were accepted elsewhere. */
export interface GrpcServer {
  /** Takes over a connection on which the client speaks HTTP/2 with prior knowledge. */
  serve(connection: Duplex): void;
  /** Cuts all connections. */
  close(): void;
}

/** Maximum bytes of one message: BuildKit's clients send small ones, and the definition of a build is the largest. */
const LARGEST_MESSAGE = 16 << 20;

/** `routes` declares the services; other calls are answered UNIMPLEMENTED. */
export function createGrpcServer(routes: (router: ConnectRouter) => void): GrpcServer {
  const sessions = new Set<ServerHttp2Session>();
  const handler = connectNodeAdapter({
    routes,
    connect: false,
    grpcWeb: false,
    acceptCompression: [],
    readMaxBytes: LARGEST_MESSAGE,
    fallback: answerUnknownMethod,
  });
  const server = createServer((request, response) => {
    const traces = tracer();
    const { traceparent } = request.headers;
    const caller = traces && parseTraceparent(typeof traceparent === 'string' ? traceparent : undefined);
    if (caller === undefined) handler(request, response);
    else traces?.within(caller, () => handler(request, response));
  });
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  // The client has disconnected; the streams abort its open calls.
  server.on('sessionError', () => undefined);
  return {
    serve(connection) {
      // Node looks which protocol the handshake of TLS chose; here an upgrade chose it.
      if (connection instanceof TLSSocket) connection.alpnProtocol = 'h2';
      server.emit('connection', connection);
    },
    close() {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

/**
 * Answers a call of an unknown service or method: UNIMPLEMENTED, with a message (gRPC over HTTP/2, "Trailers-Only").
 */
const answerUnknownMethod: ReturnType<typeof connectNodeAdapter> = (request, response) => {
  const name = (request.url ?? '').replace(/^\//, '').slice(0, 200);
  const message = `berth-agent does not offer ${name}: it builds Dockerfiles, and has no other part of BuildKit`;
  response.setHeader('content-type', 'application/grpc');
  response.setHeader('grpc-status', String(Code.Unimplemented));
  response.setHeader('grpc-message', encodeURIComponent(message).replaceAll('%20', ' '));
  response.end();
};
