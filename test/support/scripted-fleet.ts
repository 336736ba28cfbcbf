import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { challengeText, formatJoinToken, JOIN_SECRET_BYTES } from '../../fleet/join-token.ts';
import type { ChannelRequest, HostMessage, RegistryMessage } from '../../fleet/messages.ts';
import type { AppReport } from '../../fleet/report.ts';
import type { AppTarget, HostTarget } from '../../fleet/target.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { eventually } from './eventually.ts';
import { type ScriptedRegistry, startScriptedRegistry } from './scripted-registry.ts';
import type { TestImage } from './test-image.ts';

/** A registry with one host, whose target the test sets; images are `team/app` as in startScriptedRegistry. */
export interface FleetRegistry {
  readonly url: string;
  readonly host: string;
  readonly images: ScriptedRegistry;
  /** A new join token. */
  token(): string;
  /** What the host sent to join. */
  readonly joined: readonly Readonly<Record<string, unknown>>[];
  /** What `Authorization` said of each pull of a manifest. */
  readonly logins: readonly string[];
  /** The newest report of an app; undefined after it is gone. */
  report(app: string): AppReport | undefined;
  /** All reports that came, in order. */
  readonly history: readonly AppReport[];
  /** Waits for a report of which `check` answers true. */
  reported(app: string, check: (report: AppReport) => boolean): Promise<AppReport>;
  /** Sets the target: as a change of one app if a host is connected, otherwise as a whole at the next connection. */
  setApps(...apps: readonly AppTarget[]): void;
  readonly generation: number;
  send(message: RegistryMessage | Uint8Array): void;
  /** Opens a channel; answers its number. */
  open(request: ChannelRequest): number;
  /** Binary frames that came. */
  readonly frames: readonly Buffer[];
  readonly connections: number;
  /** False: every request of the fleet fails, and connections are cut. */
  setReachable(isReachable: boolean): void;
  /** False: no WebSockets. */
  allowsWebSockets: boolean;
  waitUntilConnected(): Promise<void>;
}

export async function startFleetRegistry(
  scope: CleanupScope,
  ...testImages: readonly TestImage[]
): Promise<FleetRegistry> {
  const images = await startScriptedRegistry(scope, ...testImages);
  const sockets = new WebSocketServer({ noServer: true });
  const state = new State(images);
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    if (path.startsWith('/api/v1/fleet/')) {
      if (state.isReachable) void state.answer(request, response);
      else response.writeHead(503).end('{"error":{"code":"UNAVAILABLE","message":"away"}}');
      return;
    }
    if (path.includes('/manifests/')) state.logins.push(request.headers.authorization ?? '');
    const url = `http://${images.host}${path}`;
    const onward = httpRequest(url, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.on('upgrade', (request, socket, head) => {
    if (!state.isReachable || !state.allowsWebSockets || !state.isLoggedIn(request)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => state.connect(client));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  defer(scope, async () => {
    for (const client of sockets.clients) client.terminate();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  state.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

class State implements FleetRegistry {
  readonly images: ScriptedRegistry;
  host = '';
  readonly joined: Record<string, unknown>[] = [];
  readonly logins: string[] = [];
  readonly history: AppReport[] = [];
  readonly frames: Buffer[] = [];
  readonly #tokens = new Set<string>();
  readonly #reports = new Map<string, AppReport>();
  readonly #challenges = new Map<string, string>();
  readonly #hostTokens = new Set<string>();
  #target: HostTarget = { generation: 0, apps: [] };
  #socket: WebSocket | undefined;
  #channels = 0;
  connections = 0;
  isReachable = true;
  allowsWebSockets = true;

  constructor(images: ScriptedRegistry) {
    this.images = images;
  }

  get url(): string {
    return `http://${this.host}`;
  }

  get generation(): number {
    return this.#target.generation;
  }

  token(): string {
    const token = formatJoinToken(randomBytes(JOIN_SECRET_BYTES));
    this.#tokens.add(token);
    return token;
  }

  report(app: string): AppReport | undefined {
    return this.#reports.get(app);
  }

  reported(app: string, check: (report: AppReport) => boolean): Promise<AppReport> {
    return eventually(`${app} is reported so`, () => {
      const report = this.#reports.get(app);
      return report !== undefined && check(report) ? report : undefined;
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(this.#reports.get(app))}`);
    });
  }

  setApps(...apps: readonly AppTarget[]): void {
    const from = this.#target.generation;
    const generation = from + 1;
    const remove = this.#target.apps
      .map(({ app }) => app)
      .filter((app) => !apps.some((one) => one.app === app));
    this.#target = { generation, apps };
    if (this.#socket !== undefined) this.send({ type: 'change', from, generation, set: apps, remove });
  }

  send(message: RegistryMessage | Uint8Array): void {
    this.#socket?.send(message instanceof Uint8Array ? message : JSON.stringify(message));
  }

  open(request: ChannelRequest): number {
    this.#channels += 1;
    this.send({ type: 'open', channel: this.#channels, request });
    return this.#channels;
  }

  setReachable(isReachable: boolean): void {
    this.isReachable = isReachable;
    if (!isReachable) this.#socket?.terminate();
  }

  async waitUntilConnected(): Promise<void> {
    await eventually('the host is connected', () => (this.#socket === undefined ? undefined : true));
  }

  isLoggedIn({ headers }: IncomingMessage): boolean {
    return this.#hostTokens.has((headers.authorization ?? '').replace(/^Bearer /, ''));
  }

  connect(socket: WebSocket): void {
    this.#socket = socket;
    this.connections += 1;
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined;
    });
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.frames.push(data);
      else this.#take(JSON.parse(data.toString('utf8')) as HostMessage);
    });
  }

  #take(message: HostMessage): void {
    if (message.type === 'report') this.#record(message);
    else this.send({ type: 'target', target: this.#target });
  }

  #record({
    reports,
    gone,
  }: {
    readonly reports: readonly AppReport[];
    readonly gone: readonly string[];
  }): void {
    for (const report of reports) {
      this.#reports.set(report.app, report);
      this.history.push(report);
    }
    for (const app of gone) this.#reports.delete(app);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = text === '' ? {} : JSON.parse(text);
    const path = (request.url ?? '').slice('/api/v1/fleet/'.length);
    const reply = (status: number, value?: unknown, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(value === undefined ? undefined : JSON.stringify(value));
    };
    const refuse = (status: number, message: string) =>
      reply(status, { error: { code: 'REFUSED', message } });
    if (path === 'join') {
      if (!this.#tokens.delete(body.token)) return refuse(403, 'the join token was already used');
      this.joined.push(body);
      return reply(201, { id: `host${this.joined.length}`, name: body.name, labels: body.labels });
    }
    if (path === 'challenge') {
      const challenge = randomBytes(16).toString('hex');
      this.#challenges.set(challenge, body.host);
      return reply(200, { challenge });
    }
    if (path === 'token') {
      const id = this.#challenges.get(body.challenge) ?? '';
      const x = this.joined[Number(id.slice('host'.length)) - 1]?.publicKey;
      if (typeof x !== 'string') return refuse(404, 'there is no such host');
      const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
      const signature = Buffer.from(body.signature, 'base64url');
      if (!verify(null, Buffer.from(challengeText(body.challenge)), key, signature))
        return refuse(401, 'not signed');
      const token = randomBytes(16).toString('hex');
      this.#hostTokens.add(token);
      return reply(200, { token, expiresIn: 600 });
    }
    if (!this.isLoggedIn(request)) return refuse(401, 'no token');
    if (path === 'target') {
      const etag = `"${this.#target.generation}"`;
      if (request.headers['if-none-match'] === etag) return reply(304);
      return reply(200, this.#target, { etag });
    }
    if (path === 'reports') {
      this.#record(body);
      return reply(204);
    }
    return refuse(404, 'unknown');
  }
}
