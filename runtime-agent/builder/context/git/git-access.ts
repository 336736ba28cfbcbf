import { join } from 'node:path';
import { EngineError } from '../../../errors.ts';
import type { GitUrl } from './git-url.ts';

/** What a client lends so that its repositories can be fetched. */
export interface GitClient {
  /** The value of `RUN --mount=type=secret,id=…`; undefined when the client did not give it. */
  secret(id: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** A unix socket on this host that forwards to the client's agent of `RUN --mount=type=ssh,id=…`; undefined when there is none. */
  sshSocket(
    id: string,
    signal: AbortSignal,
  ): Promise<{ readonly path: string; release(): Promise<void> } | undefined>;
}

/** How git shows a server who asks, while it is not released. */
export interface GitAccess {
  /** For git's environment. */
  readonly env: Readonly<Record<string, string>>;
  release(): Promise<void>;
}

/** A client without a session: it has no agent and no secrets. */
export const NO_GIT_CLIENT: GitClient = {
  secret: async () => undefined,
  sshSocket: async () => undefined,
};

/** Secrets by which servers are asked, the first that there is (docker build, "Git authentication"). */
const SECRETS = ['GIT_AUTH_HEADER', 'GIT_AUTH_TOKEN'];
/** A token for one repository of these is one for all of them. */
const ONE_ACCOUNT = /^https:\/\/(?:www\.)?github\.com\//;

/** Asks the client for what the repository needs: its SSH agent, or a secret. Throws EngineError 'bad-request' where there is no agent. */
export async function gitAccess(
  url: GitUrl,
  client: GitClient,
  folder: string,
  signal: AbortSignal,
): Promise<GitAccess> {
  if (url.transport === 'ssh') return await byAgent(url, client, folder, signal);
  const header = url.transport === 'http' ? await authorization(url, client, signal) : undefined;
  const env =
    header === undefined
      ? {}
      : {
          GIT_CONFIG_COUNT: '1',
          GIT_CONFIG_KEY_0: `http.${ONE_ACCOUNT.exec(url.remote)?.[0] ?? url.remote}.extraHeader`,
          GIT_CONFIG_VALUE_0: `Authorization: ${header}`,
        };
  return { env, release: async () => undefined };
}

async function byAgent(
  { shown }: GitUrl,
  client: GitClient,
  folder: string,
  signal: AbortSignal,
): Promise<GitAccess> {
  const socket = await client.sshSocket('default', signal);
  if (socket === undefined) {
    throw new EngineError(
      'bad-request',
      `the git repository ${shown} needs an SSH key, and the client lends no SSH agent: build with BuildKit and --ssh default, while "ssh-add -l" lists the key`,
    );
  }
  return {
    env: {
      GIT_ALLOW_PROTOCOL: 'http:https:git:ssh',
      SSH_AUTH_SOCK: socket.path,
      GIT_SSH_VARIANT: 'ssh',
      GIT_SSH_COMMAND: sshCommand(join(folder, 'known_hosts')),
    },
    release: () => socket.release(),
  };
}

/**
 * Never with a key of this host, and to whom the host's own list of known hosts does not speak against. As with BuildKit one that it does not
 * list is taken for what it says it is, by the key that it has shown first.
 */
function sshCommand(knownHosts: string): string {
  const options = [
    'BatchMode=yes',
    'IdentityFile=none',
    'StrictHostKeyChecking=accept-new',
    `UserKnownHostsFile="${knownHosts}"`,
    'ConnectTimeout=60',
    'ServerAliveInterval=30',
    'LogLevel=ERROR',
  ];
  return ['ssh -F /dev/null', ...options.map((option) => `-o '${option}'`)].join(' ');
}

async function authorization(
  { remote }: GitUrl,
  client: GitClient,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { host } = new URL(remote);
  for (const name of [...SECRETS.map((secret) => `${secret}.${host}`), ...SECRETS]) {
    const secret = await client.secret(name, signal);
    if (secret === undefined) continue;
    const text = Buffer.from(secret).toString('utf8').trim();
    if (name.startsWith('GIT_AUTH_TOKEN')) {
      return `basic ${Buffer.from(`x-access-token:${text}`).toString('base64')}`;
    }
    if (!/[\r\n]/.test(text)) return text;
    throw new EngineError('bad-request', `the secret ${name} is no header of HTTP: it has several lines`);
  }
  return undefined;
}
