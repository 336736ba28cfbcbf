import { Code, ConnectError } from '@connectrpc/connect';
import { isEngineError } from '../../../errors.ts';
import { storageFull } from '../../../storage-full.ts';

/**
 * Maximum characters of a message. It is sent in a header, at up to nine bytes per character, and HTTP/2 here accepts
 * 64 KiB of headers.
 */
const MAX_MESSAGE = 6000;

/**
 * Converts a failure to gRPC. Clients print only the message for the code Unknown, which BuildKit uses for all errors
 * in a Dockerfile; they prefix the message with other codes.
 */
export function grpcError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (isEngineError(error)) {
    const code = error.code === 'not-implemented' ? Code.Unimplemented : Code.Unknown;
    return new ConnectError(bounded(error.message), code, undefined, undefined, error);
  }
  const full = storageFull(error);
  if (full !== undefined) return grpcError(full);
  if (error instanceof Error && error.name === 'AbortError') {
    return new ConnectError('the build was cancelled', Code.Canceled, undefined, undefined, error);
  }
  const message = error instanceof Error ? error.message : String(error);
  return new ConnectError(
    bounded(`berth-agent failed unexpectedly: ${message}`),
    Code.Unknown,
    undefined,
    undefined,
    error,
  );
}

function bounded(message: string): string {
  return message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE).toWellFormed()}…` : message;
}
