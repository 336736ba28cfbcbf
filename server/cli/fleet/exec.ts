import { spawnSync } from 'node:child_process';
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { creditOf, decodeFrame, encodeCredit, encodeFrame } from '../../../fleet/channel-frame.ts';
import { CHANNEL_WINDOW, MESSAGE_LIMIT, PING_INTERVAL, PROTOCOL } from '../../../fleet/messages.ts';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { printable } from '../printable.ts';
import { ApiError } from '../remote/api-error.ts';
import { type RegistryApi, unreachable } from '../remote/registry-api.ts';
import { pairsOf } from '../remote/registry-command.ts';
import { appPath } from './door.ts';
import { type FleetCommand, type FleetInput, runFleetCommand } from './fleet-command.ts';
import { numberOf } from './rollouts.ts';

/** The only channel of this connection. */
const CHANNEL = 0;
/** Maximum bytes of a frame of input. */
const PIECE = 16 * 1024;
/** Maximum characters of the variables: proxies limit headers. */
const LONGEST_ENVIRONMENT = 6_000;
/** Milliseconds of silence after which the connection counts as lost. */
const LONGEST_SILENCE = 3 * PING_INTERVAL;
/** Exit code that shells give a command that a signal has ended. */
const SIGPIPE_CODE = 128 + 13;
/** Exit code that `docker run` has if docker itself fails: commands end with other codes. */
const NO_EXIT_CODE = 125;

const EXEC: FleetCommand = {
  usage: 'exec APP SERVICE COMMAND…',
  endsOptions: true,
  refused: NO_EXIT_CODE,
  unanswered: NO_EXIT_CODE,
  options: {
    interactive: { type: 'boolean', short: 'i' },
    tty: { type: 'boolean', short: 't' },
    user: { type: 'string', short: 'u' },
    workdir: { type: 'string', short: 'w' },
    env: { type: 'string', short: 'e', multiple: true },
    instance: { type: 'string' },
  },
  run: async (input) => {
    const tty = input.flag('tty');
    if (tty && !process.stdin.isTTY) throw new ConfigError('-t needs a terminal: leave it out');
    const { headers, path, stdin } = requestOf(input, tty);
    const api = await input.api();
    const socket = await openSocket(api, path, headers);
    // Created before the socket is open: the first frames may arrive with the answer.
    const session = new ExecSession(socket, { stdin, tty });
    await untilOpen(api, socket);
    return session.run();
  },
};

/** `berth exec`: runs a command in an instance. Its exit code is that of the command. */
export function exec(args: readonly string[]): Promise<number> {
  return runFleetCommand(EXEC, args);
}

function requestOf({ flag, option, options, words }: FleetInput, tty: boolean) {
  const [app = '', service = '', ...command] = words;
  const [user, workdir, instance] = [option('user'), option('workdir'), option('instance')];
  const environment = pairsOf('env', options('env'));
  const { columns, rows } = process.stdout;
  const stdin = flag('interactive');
  const query = new URLSearchParams({
    service,
    command: JSON.stringify(command),
    ...(instance !== undefined && { instance: String(numberOf(instance, '--instance')) }),
    ...(tty && { tty: 'true' }),
    ...(stdin && { stdin: 'true' }),
    ...(user !== undefined && { user }),
    ...(workdir !== undefined && { workdir }),
    ...(tty && rows > 0 && columns > 0 && { rows: String(rows), columns: String(columns) }),
  });
  return { path: appPath(app, `exec?${query}`), stdin, headers: environmentHeader(environment) };
}

/** Returns the header with the variables; they are not in the address, which proxies log. Throws ConfigError. */
function environmentHeader(environment: Readonly<Record<string, string>>) {
  if (Object.keys(environment).length === 0) return {};
  const text = Buffer.from(JSON.stringify(environment)).toString('base64url');
  if (text.length <= LONGEST_ENVIRONMENT) return { 'berth-environment': text };
  throw new ConfigError('the variables of -e are too long: pass them by standard input, or as a secret');
}

async function openSocket(
  api: RegistryApi,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<WebSocket> {
  // Takes long to load.
  const { WebSocket } = await import('ws');
  const url = api.at(path);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebSocket(url, [PROTOCOL], {
    headers: { ...api.headers, ...headers },
    maxPayload: MESSAGE_LIMIT,
    perMessageDeflate: false,
    handshakeTimeout: 60_000,
  });
}

/** Throws ApiError. */
function untilOpen(api: RegistryApi, socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('unexpected-response', (_request, answer: IncomingMessage) => {
      api.refusal(answer).then(reject, reject);
    });
    socket.once('error', (cause) => reject(unreachable(api.url, cause)));
    socket.once('open', () => resolve());
  });
}

/** A running command that uses this terminal as its own. */
class ExecSession {
  readonly #socket: WebSocket;
  readonly #stdin: boolean;
  readonly #tty: boolean;
  /** Why the connection was closed; '' unless the registry gives a reason. */
  readonly #closed: Promise<string>;
  /** Input that the host has not allowed yet: one piece from the terminal or pipe, which is paused meanwhile. */
  #input = Buffer.alloc(0);
  #inputEnded = false;
  #endSent = false;
  #credit = CHANNEL_WINDOW;
  #isUnread = false;
  #heardAt = performance.now();
  #exitCode: number | undefined;
  #error: string | undefined;

  constructor(socket: WebSocket, { stdin, tty }: { readonly stdin: boolean; readonly tty: boolean }) {
    this.#socket = socket;
    this.#stdin = stdin;
    this.#tty = tty;
    socket.binaryType = 'nodebuffer';
    this.#closed = new Promise((resolve) => {
      socket.once('close', (_code, text) => resolve(text.toString('utf8')));
      socket.on('error', () => undefined);
    });
    const hear = () => {
      this.#heardAt = performance.now();
    };
    socket.on('ping', hear);
    socket.on('message', (data, isBinary) => {
      hear();
      if (isBinary) this.#take(data as Buffer);
    });
  }

  /** Returns the exit code of the command. Throws ApiError if it did not run to its end. */
  async run(): Promise<number> {
    const socket = this.#socket;
    const silence = setInterval(() => {
      if (performance.now() - this.#heardAt > LONGEST_SILENCE) socket.terminate();
    }, PING_INTERVAL);
    const resize = () => this.#resize();
    // A reader such as head has seen enough.
    const leave = () => {
      this.#isUnread = true;
      socket.close();
    };
    process.stdout.on('error', leave);
    process.stderr.on('error', leave);
    if (this.#tty) {
      setRawMode();
      process.stdout.on('resize', resize);
      // The size may have changed since the request.
      resize();
    }
    if (this.#stdin) this.#startInput();
    let reason = '';
    try {
      reason = await this.#closed;
    } finally {
      clearInterval(silence);
      if (this.#tty) {
        process.stdin.setRawMode(false);
        process.stdout.off('resize', resize);
      }
      process.stdin.pause();
    }
    if (this.#isUnread) return SIGPIPE_CODE;
    if (this.#error !== undefined) throw new ApiError(400, printable(this.#error));
    if (this.#exitCode !== undefined) return this.#exitCode;
    if (reason !== '') throw new ApiError(400, printable(reason));
    throw new ApiError(0, 'the connection to the instance was lost, and its command gets SIGHUP');
  }

  #take(bytes: Buffer): void {
    const frame = decodeFrame(bytes);
    switch (frame?.kind) {
      case 'stdout':
      case 'stderr':
        this.#write(frame.kind, frame.payload);
        return;
      case 'credit':
        this.#credit += creditOf(frame) ?? 0;
        this.#sendInput();
        return;
      case 'exit':
        this.#exitCode = Number(frame.payload.toString('utf8'));
        return;
      case 'error':
        this.#error = frame.payload.toString('utf8');
        return;
      case 'close':
        this.#socket.close();
        return;
    }
  }

  /** Grants credit for the bytes that were written. */
  #write(stream: 'stdout' | 'stderr', payload: Buffer): void {
    process[stream].write(payload, () => this.#send(encodeCredit(CHANNEL, payload.length)));
  }

  #startInput(): void {
    process.stdin.on('data', (data: Buffer) => {
      this.#input = Buffer.concat([this.#input, data]);
      this.#sendInput();
    });
    process.stdin.once('end', () => {
      this.#inputEnded = true;
      this.#sendInput();
    });
  }

  /** Sends as much of the input as the host has allowed, and reads on when all of it is sent. */
  #sendInput(): void {
    if (!this.#stdin) return;
    while (this.#input.length > 0 && this.#credit > 0) {
      const piece = this.#input.subarray(0, Math.min(PIECE, this.#credit));
      this.#send(encodeFrame(CHANNEL, 'stdin', piece));
      this.#credit -= piece.length;
      this.#input = this.#input.subarray(piece.length);
    }
    if (this.#input.length > 0) process.stdin.pause();
    else if (!this.#inputEnded) process.stdin.resume();
    else if (!this.#endSent) {
      this.#endSent = true;
      this.#send(encodeFrame(CHANNEL, 'end'));
    }
  }

  #resize(): void {
    const { columns, rows } = process.stdout;
    this.#send(encodeFrame(CHANNEL, 'size', JSON.stringify({ rows, columns })));
  }

  #send(frame: Buffer): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(frame);
  }
}

/** Switches the terminal to raw mode. setRawMode(false) restores the previous mode, as does the end of the process. */
function setRawMode(): void {
  process.stdin.setRawMode(true);
  // Node leaves the setting on that makes a line feed also return to the first column, which editors do not expect.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
}
