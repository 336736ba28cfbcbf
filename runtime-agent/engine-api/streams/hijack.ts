import type { IncomingMessage, Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { publishContainerEvent } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import { escapeContainerName, splitVersion } from '../api-version.ts';
import { decodeExecStart } from '../decode/exec-request.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { endConnection } from '../http/connection-end.ts';
import { readJsonBody } from '../http/json.ts';
import { parseDetachKeys, queryBoolean } from '../http/query.ts';
import { logFrames } from './log-frames.ts';
import { RAW_STREAM, refuseUpgrade, streamContentType, writeHead } from './raw-answer.ts';
import { relayAttachment } from './relay-attachment.ts';

/**
 * The state of Node's HTTP server for a connection; there is no documented way to stop parsing after a request's head.
 */
interface ParsedSocket {
  readonly parser?: { onIncoming: (request: ParsedRequest, keepAlive: boolean) => number } | null;
}

interface ParsedRequest extends IncomingMessage {
  /** Whether the connection goes to `upgrade` listeners. */
  upgrade: boolean;
}

/** llhttp's result for "this head ends the HTTP of the connection": the parser leaves the bytes after it alone. */
const STOP_PARSING = 2;

/** Requests that take their connection over without asking for an upgrade. */
export interface PlainTakeovers {
  /**
   * Must be called first for each `upgrade` event. Returns true when the request only stopped the parser: the same
   * request follows as an ordinary upgrade.
   */
  reopen(request: IncomingMessage, head: Buffer): boolean;
  /** Reports whether the client took over the connection without requesting an upgrade. */
  isPlain(request: IncomingMessage): boolean;
}

/**
 * Makes requests that `wants` accepts arrive as `upgrade` events of `http`, whatever their headers, as dockerd hijacks
 * connections. Otherwise Node would parse the input after such a request as the next request.
 */
export function takeOverPlainRequests(
  http: Server | TlsServer,
  event: 'connection' | 'secureConnection',
  wants: (request: IncomingMessage) => boolean,
): PlainTakeovers {
  const stopped = new WeakSet<IncomingMessage>();
  const plain = new WeakSet<Socket>();
  http.on(event, (socket: Socket & ParsedSocket) => {
    const { parser } = socket;
    if (parser === undefined || parser === null) return;
    const onIncoming = parser.onIncoming;
    parser.onIncoming = (request, keepAlive) => {
      if (request.upgrade || !wants(request)) return onIncoming(request, keepAlive);
      stopped.add(request);
      request.upgrade = true;
      return STOP_PARSING;
    };
  });
  return {
    reopen: (request, head) => {
      if (!stopped.has(request)) return false;
      const { socket } = request;
      if (request.headers.upgrade === undefined) plain.add(socket);
      // The parser accepts a following body, in any encoding, only for a request that it knows as an upgrade.
      if (head.length > 0) socket.unshift(head);
      socket.unshift(Buffer.from(headAsUpgrade(request), 'latin1'));
      http.emit(event, socket);
      return true;
    },
    isPlain: ({ socket }) => plain.has(socket),
  };
}

function headAsUpgrade({ method, url, rawHeaders, headers: { upgrade } }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  const protocol = upgrade?.toLowerCase() === 'h2c' ? [] : ['Upgrade: tcp'];
  return `${[...lines, 'Connection: Upgrade', ...protocol].join('\r\n')}\r\n\r\n`;
}

/** Whether a request takes its connection over. */
export function mayUpgrade(request: IncomingMessage): boolean {
  const path = (request.url ?? '').split('?')[0] ?? '';
  return request.method === 'POST' && UPGRADED.test(path);
}

const UPGRADED = /^(?:\/v\d+\.\d+)?\/(?:containers\/.+\/attach|exec\/[^/]+\/start)$/;

/**
 * Serves a connection that the client takes over: a head and then raw bytes, or an ordinary error answer. The head is
 * 200 OK for a `plain` client, which did not ask for an upgrade, and 101 UPGRADED otherwise. Never rejects; ends when
 * the connection has nothing more to carry.
 */
export async function serveUpgrade(
  deps: EngineDeps,
  request: IncomingMessage,
  socket: Duplex,
  plain: boolean,
): Promise<void> {
  try {
    const url = new URL(request.url ?? '', 'http://agent');
    const { version, path } = splitVersion(url.pathname);
    const session = await openSession(deps, request, escapeContainerName(path), url.searchParams);
    if (session === 'detached') {
      writeHead(deps, socket, '200 OK', { 'Content-Length': '0', Connection: 'close' });
      endConnection(socket);
      return;
    }
    if (plain) writeHead(deps, socket, '200 OK', { 'Content-Type': RAW_STREAM });
    else {
      const type = streamContentType(session.tty, version);
      writeHead(deps, socket, '101 UPGRADED', {
        'Content-Type': type,
        Connection: 'Upgrade',
        Upgrade: 'tcp',
      });
    }
    await relay(deps, request, socket, session);
  } catch (error) {
    refuseUpgrade(deps, socket, request.url, error);
  }
}

async function relay(
  deps: EngineDeps,
  request: IncomingMessage,
  socket: Duplex,
  session: StreamSession,
): Promise<void> {
  try {
    await session.relay(socket);
  } catch (error) {
    deps.log.error({ err: error, url: request.url }, 'a stream broke off');
    socket.destroy();
  }
}

async function openSession(
  deps: EngineDeps,
  request: IncomingMessage,
  path: string,
  query: URLSearchParams,
): Promise<StreamSession | 'detached'> {
  const [, kind, ref = ''] = /^\/(containers|exec)\/([^/]+)\//.exec(path) ?? [];
  if (kind === undefined) throw new EngineError('not-found', 'page not found');
  return kind === 'exec' ? openExec(deps, decodeRef(ref), request) : openAttach(deps, decodeRef(ref), query);
}

function decodeRef(ref: string): string {
  try {
    return decodeURIComponent(ref);
  } catch (error) {
    throw new EngineError('bad-request', `invalid escape in the container name ${ref}`, { cause: error });
  }
}

/**
 * Serves `POST /exec/{id}/start` (Engine API, ExecStart) with its streams. Returns `detached` if the client wants none
 * and the command is already running. Throws EngineError.
 */
async function openExec(
  deps: EngineDeps,
  id: string,
  request: IncomingMessage,
): Promise<StreamSession | 'detached'> {
  const { detach, tty, size } = decodeExecStart(await readJsonBody(request));
  const options = size === undefined ? {} : { size };
  if (detach) {
    await deps.execs.startDetached(id, options);
    return 'detached';
  }
  const exec = await deps.execs.get(id);
  const { attachStdin: stdin, detachKeys } = exec.request;
  const container = await deps.containers.get(exec.containerId);
  const { attachment } = await deps.execs.start(id, options);
  const onDetach = () => publishContainerEvent(deps.events, container, 'exec_detach', { execID: id });
  return {
    tty,
    relay: async (socket) =>
      relayAttachment(socket, await attachment, {
        tty,
        stdin,
        detachKeys,
        onDetach,
        stopping: deps.stopping,
      }),
  };
}

/** Streams that have been granted; `relay` must be called, or the attachment stays. */
interface StreamSession {
  readonly tty: boolean;
  /** See relayAttachment. */
  relay(socket: Duplex): Promise<void>;
}

/**
 * Opens `POST /containers/{ref}/attach` (Engine API, ContainerAttach). Throws EngineError 'not-found', or
 * 'conflict' for a paused container.
 */
export async function openAttach(
  deps: EngineDeps,
  ref: string,
  query: URLSearchParams,
): Promise<StreamSession> {
  const detachKeys = query.get('detachKeys') ?? '';
  parseDetachKeys(detachKeys);
  const container = await deps.containers.get(ref);
  if (container.state.status === 'paused') {
    throw new EngineError('conflict', `container ${ref} is paused, unpause the container before attach`);
  }
  const stdin = queryBoolean(query, 'stdin') && container.config.OpenStdin;
  const stdout = queryBoolean(query, 'stdout');
  const stderr = queryBoolean(query, 'stderr');
  const tty = container.config.Tty;
  const attachment = queryBoolean(query, 'stream')
    ? await deps.containers.attach(container.id, { stdin, stdout, stderr })
    : undefined;
  const attachedAt = Date.now();
  const log = async (signal: AbortSignal) => {
    const options = { stdout, stderr, follow: false, until: attachedAt };
    const lines = await deps.containers.logs(container.id, options, signal);
    return logFrames(lines, { tty, timestamps: false, signal });
  };
  const onDetach = () => publishContainerEvent(deps.events, container, 'detach');
  const withLog = queryBoolean(query, 'logs') ? log : undefined;
  return {
    tty,
    relay: (socket) =>
      relayAttachment(
        socket,
        attachment,
        { tty, stdin, detachKeys, onDetach, stopping: deps.stopping },
        withLog,
      ),
  };
}

/**
 * Reports whether a request is one of BuildKit's two (Engine API, "Session"; `/grpc` is documented nowhere). Their
 * paths have no version.
 */
export function isBuildkit(request: IncomingMessage): boolean {
  return request.method === 'POST' && /^(\/v\d+\.\d+)?\/(grpc|session)(\?|$)/.test(request.url ?? '');
}

/**
 * Reports whether such a request names the protocol to upgrade to, which is enough for dockerd: it requires no
 * `Connection: Upgrade`.
 */
export function asksForH2c(request: IncomingMessage): boolean {
  return isBuildkit(request) && request.headers.upgrade?.toLowerCase() === 'h2c';
}

/** Returns why a request for BuildKit is refused, in the words of its session manager. */
export function notSpoken(protocol: string | undefined): string {
  if (protocol === undefined || protocol === '')
    return 'no upgrade proto in request: ask for an upgrade to h2c';
  return `protocol ${protocol.slice(0, 40)} not supported: ask for an upgrade to h2c`;
}

/** Hands the connection of `POST /grpc` or `POST /session` over to BuildKit's API, or answers an error. Never rejects. */
export async function serveBuildkit(
  deps: EngineDeps,
  request: IncomingMessage,
  socket: Duplex,
): Promise<void> {
  try {
    const { upgrade } = request.headers;
    if (upgrade?.toLowerCase() !== 'h2c') throw new EngineError('bad-request', notSpoken(upgrade));
    if (deps.buildkit === undefined) throw new EngineError('not-implemented', 'this agent builds nothing');
    const serve = await deps.buildkit.accept(request);
    const fields = { Connection: 'Upgrade', Upgrade: 'h2c' };
    // HTTP/2 takes the connection over beneath its stream, where a pending write would make Node abort the process.
    await new Promise<void>((written) => writeHead(deps, socket, '101 UPGRADED', fields, written));
    if (!socket.destroyed) serve(socket);
  } catch (error) {
    refuseUpgrade(deps, socket, request.url, error);
  }
}
