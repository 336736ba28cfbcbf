import { Code } from '@connectrpc/connect';
import type { connectNodeAdapter } from '@connectrpc/connect-node';

/** Answers a call of a service or method that is not served: UNIMPLEMENTED, with a sentence (gRPC over HTTP/2, "Trailers-Only"). */
export const answerUnknownMethod: ReturnType<typeof connectNodeAdapter> = (request, response) => {
  const name = (request.url ?? '').replace(/^\//, '').slice(0, 200);
  const message = `berth-agent does not offer ${name}: it builds Dockerfiles, and has no other part of BuildKit`;
  response.setHeader('content-type', 'application/grpc');
  response.setHeader('grpc-status', String(Code.Unimplemented));
  response.setHeader('grpc-message', encodeURIComponent(message).replaceAll('%20', ' '));
  response.end();
};
