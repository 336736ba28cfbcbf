import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { WebSocket } from 'ws';
import type { HostFacts } from '../../fleet/host.ts';
import { challengeText } from '../../fleet/join-token.ts';
import { type HostMessage, PROTOCOL, type RegistryMessage } from '../../fleet/messages.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { waitUntil } from './wait-until.ts';

export const FACTS: HostFacts = {
  version: '0.1.0',
  operatingSystem: 'Debian GNU/Linux 13 (trixie)',
  platform: 'linux/amd64',
  processors: 2,
  memory: 2 ** 33,
  allows: [],
  ingress: false,
};

/** The machine of a host: its keys. */
export interface HostKeys {
  readonly privateKey: KeyObject;
  readonly publicKey: string;
  readonly recipient: string;
  /** Opens what is sealed for `recipient`. */
  readonly identity: string;
}

/** A host as the registry sees it: its requests, without containers. */
export interface JoinedHost extends HostKeys {
  readonly id: string;
  readonly name: string;
  /** A token of ten minutes. */
  token(): Promise<string>;
  /** A request with that token. */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  post(path: string, body: unknown): Promise<Response>;
  connect(token?: string): Promise<HostSocket>;
}

/** The WebSocket of a host. */
export interface HostSocket {
  readonly socket: WebSocket;
  /** All that the registry has sent as text. */
  readonly received: readonly RegistryMessage[];
  /** The code of the end; undefined while it is open. */
  readonly code: () => number | undefined;
  send(message: HostMessage): void;
  /** The first message of a type that came, or comes. */
  message<Type extends RegistryMessage['type']>(
    type: Type,
  ): Promise<Extract<RegistryMessage, { readonly type: Type }>>;
  ended(): Promise<number>;
}

export async function makeHostKeys(): Promise<HostKeys> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  const identity = await generateX25519Identity();
  return { privateKey, publicKey: x, recipient: await identityToRecipient(identity), identity };
}

/** The body of a request to join. */
export function joinBody(token: string, name: string, keys: HostKeys, more: object = {}) {
  const { publicKey, recipient } = keys;
  return { token, name, publicKey, recipient, labels: {}, facts: FACTS, ...more };
}

export function postJson(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  return fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', ...headers },
  });
}

/** Joins as a host by a token of `POST /api/v1/host-tokens`. */
export async function joinHost(
  scope: CleanupScope,
  url: string,
  joinToken: string,
  name: string,
): Promise<JoinedHost> {
  const keys = await makeHostKeys();
  const answer = await postJson(`${url}/api/v1/fleet/join`, joinBody(joinToken, name, keys));
  if (answer.status !== 201) throw new Error(`no join: ${answer.status} ${await answer.text()}`);
  const { id } = (await answer.json()) as { id: string };
  return hostClient(scope, url, { ...keys, id, name });
}

/** A host that has joined, at any replica. */
export function hostClient(
  scope: CleanupScope,
  url: string,
  host: HostKeys & { readonly id: string; readonly name: string },
): JoinedHost {
  const base = `${url}/api/v1/fleet`;
  let known: Promise<string> | undefined;
  const ask = async () => {
    const { challenge } = await read(await postJson(`${base}/challenge`, { host: host.id }));
    const signature = signChallenge(host.privateKey, String(challenge));
    return String((await read(await postJson(`${base}/token`, { challenge, signature }))).token);
  };
  const token = () => {
    known ??= ask();
    return known;
  };
  const bearer = async () => ({ Authorization: `Bearer ${await token()}` });
  return {
    ...host,
    token,
    get: async (path, headers = {}) =>
      fetch(`${base}${path}`, { headers: { ...headers, ...(await bearer()) } }),
    post: async (path, body) => postJson(`${base}${path}`, body, await bearer()),
    connect: async (given) => openHostSocket(scope, url, given ?? (await token())),
  };
}

/** A host's signature of a challenge. */
export function signChallenge(privateKey: KeyObject, challenge: string): string {
  return sign(null, Buffer.from(challengeText(challenge)), privateKey).toString('base64url');
}

/** Opens the WebSocket of a host. Rejects with the status of another answer. */
export async function openHostSocket(scope: CleanupScope, url: string, token: string): Promise<HostSocket> {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/api/v1/fleet/connect`, PROTOCOL, {
    headers: { Authorization: `Bearer ${token}` },
    perMessageDeflate: false,
  });
  const received: RegistryMessage[] = [];
  let code: number | undefined;
  socket.on('message', (data, isBinary) => {
    if (!isBinary) received.push(JSON.parse(String(data)));
  });
  socket.on('close', (ended) => {
    code = ended;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('unexpected-response', (_request, response) => reject(new Error(`${response.statusCode}`)));
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  defer(scope, () => socket.terminate());
  return {
    socket,
    received,
    code: () => code,
    send: (message) => socket.send(JSON.stringify(message)),
    message: async (type) => {
      await waitUntil(`the registry sends ${type}`, () => received.some((message) => message.type === type));
      return received.find((message) => message.type === type) as never;
    },
    ended: async () => {
      await waitUntil('the connection ends', () => code !== undefined);
      return code ?? 0;
    },
  };
}

async function read(answer: Response): Promise<Record<string, unknown>> {
  const body = (await answer.json()) as Record<string, unknown>;
  if (answer.ok) return body;
  throw new Error(`${answer.status} ${JSON.stringify(body)}`);
}
