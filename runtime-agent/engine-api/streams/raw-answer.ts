import type { Duplex } from 'node:stream';
import { http } from '../../../lib/http/node-http.ts';
import { asksBefore, engineHeaders } from '../api-version.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { errorAnswer, errorBody } from '../error-status.ts';
import { endConnection } from '../http/connection-end.ts';

/**
 * Writes the status line and headers of an answer; `status` is, for example, `101 UPGRADED`. `written` is called when
 * they were sent, or cannot be.
 */
export function writeHead(
  deps: EngineDeps,
  socket: Duplex,
  status: string,
  fields: Readonly<Record<string, string>>,
  written: () => void = () => undefined,
): void {
  const all = { ...fields, ...engineHeaders(deps.host.version) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.write(`${[`HTTP/1.1 ${status}`, ...lines].join('\r\n')}\r\n\r\n`, () => written());
}

/** Answers an upgrade request with its error, and ends the connection. */
export function refuseUpgrade(
  deps: EngineDeps,
  socket: Duplex,
  url: string | undefined,
  error: unknown,
): void {
  const { status, message, expected } = errorAnswer(error);
  if (!expected) deps.log.error({ err: error, url }, 'upgrade failed');
  const body = errorBody(message);
  writeHead(deps, socket, `${status} ${http.STATUS_CODES[status] ?? ''}`, {
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  });
  socket.write(body);
  endConnection(socket);
}

export const RAW_STREAM = 'application/vnd.docker.raw-stream';

/** The Content-Type of attach, exec and logs: raw bytes of a terminal, or frames of two streams, which had no type of their own before API 1.42. */
export function streamContentType(tty: boolean, apiVersion: string): string {
  const isRaw = tty || asksBefore({ state: { apiVersion } }, '1.42');
  return isRaw ? RAW_STREAM : 'application/vnd.docker.multiplexed-stream';
}
