import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { creditOf, decodeFrame, encodeCredit, encodeFrame } from '../../../fleet/channel-frame.ts';
import { CHANNEL_WINDOW, MESSAGE_LIMIT, PROTOCOL } from '../../../fleet/messages.ts';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { printable } from '../printable.ts';
import { ApiError } from './api-error.ts';
import { appPath } from './door.ts';
import { type FleetCommand, type FleetInput, pairsOf, runFleetCommand } from './fleet-command.ts';
import { type RegistryApi, unreachable } from './registry-api.ts';
import { numberOf } from './rollouts.ts';

/** The only channel of this connection. */
const CHANNEL = 0;
/** Bytes of a frame of input. */
const PIECE = 16 * 1024;

const EXEC: FleetCommand = {
  usage: 'exec APP SERVICE COMMAND…',
  endsOptions: true,
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
    const { path, stdin } = requestOf(input, tty);
    const socket = await connect(await input.api(), path);
    return new ExecSession(socket, { stdin, tty }).run();
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
    ...(Object.keys(environment).length > 0 && { environment: JSON.stringify(environment) }),
    ...(instance !== undefined && { instance: String(numberOf(instance, '--instance')) }),
    ...(tty && { tty: 'true' }),
    ...(stdin && { stdin: 'true' }),
    ...(user !== undefined && { user }),
    ...(workdir !== undefined && { workdir }),
    ...(tty && rows > 0 && columns > 0 && { rows: String(rows), columns: String(columns) }),
  });
  return { path: appPath(app, `exec?${query}`), stdin };
}

/** Throws ApiError. */
async function connect(api: RegistryApi, path: string): Promise<WebSocket> {
  // Takes long to load.
  const { WebSocket } = await import('ws');
  const url = api.at(path);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url, [PROTOCOL], {
    headers: api.headers,
    maxPayload: MESSAGE_LIMIT,
    perMessageDeflate: false,
    handshakeTimeout: 60_000,
  });
  return new Promise((resolve, reject) => {
    socket.once('unexpected-response', (_request, answer: IncomingMessage) => {
      api.refusal(answer).then(reject, reject);
    });
    socket.once('error', (cause) => reject(unreachable(api.url, cause)));
    socket.once('open', () => resolve(socket));
  });
}

/** A command that runs, with this terminal as its own. */
class ExecSession {
  readonly #socket: WebSocket;
  readonly #stdin: boolean;
  readonly #tty: boolean;
  #credit = CHANNEL_WINDOW;
  #exitCode: number | undefined;
  #error: string | undefined;

  constructor(socket: WebSocket, { stdin, tty }: { readonly stdin: boolean; readonly tty: boolean }) {
    this.#socket = socket;
    this.#stdin = stdin;
    this.#tty = tty;
    socket.binaryType = 'nodebuffer';
  }

  /** Answers the exit code of the command. Throws ApiError when it did not run to its end. */
  async run(): Promise<number> {
    const socket = this.#socket;
    const closed = new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.on('error', () => undefined);
    });
    socket.on('message', (data, isBinary) => {
      if (isBinary) this.#take(data as Buffer);
    });
    const resize = () => this.#resize();
    if (this.#tty) {
      process.stdin.setRawMode(true);
      process.stdout.on('resize', resize);
    }
    if (this.#stdin) this.#startInput();
    try {
      await closed;
    } finally {
      if (this.#tty) {
        process.stdin.setRawMode(false);
        process.stdout.off('resize', resize);
      }
      process.stdin.pause();
    }
    if (this.#error !== undefined) throw new ApiError(400, printable(this.#error));
    if (this.#exitCode !== undefined) return this.#exitCode;
    throw new ApiError(
      0,
      'the connection to the instance was lost: whether the command goes on is not known',
    );
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
        if (this.#stdin && this.#credit > 0) process.stdin.resume();
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

  /** What was written makes room for as much more. */
  #write(stream: 'stdout' | 'stderr', payload: Buffer): void {
    process[stream].write(payload, () => this.#send(encodeCredit(CHANNEL, payload.length)));
  }

  #startInput(): void {
    process.stdin.on('data', (data: Buffer) => {
      for (let at = 0; at < data.length; at += PIECE) {
        this.#send(encodeFrame(CHANNEL, 'stdin', data.subarray(at, at + PIECE)));
      }
      this.#credit -= data.length;
      if (this.#credit <= 0) process.stdin.pause();
    });
    process.stdin.once('end', () => this.#send(encodeFrame(CHANNEL, 'end')));
  }

  #resize(): void {
    const { columns, rows } = process.stdout;
    this.#send(encodeFrame(CHANNEL, 'size', JSON.stringify({ rows, columns })));
  }

  #send(frame: Buffer): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(frame);
  }
}
