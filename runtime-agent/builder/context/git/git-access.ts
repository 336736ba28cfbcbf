import { join } from 'node:path';
import { EngineError } from '../../../errors.ts';
import type { GitUrl } from './git-url.ts';

/** The parts of a client that its git repositories need. */
export interface GitClient {
  /** Returns the value of `RUN --mount=type=secret,id=…`; undefined when the client has none. */
  secret(id: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * Returns a unix socket on this host that forwards to the client's agent of `RUN --mount=type=ssh,id=…`; undefined
   * when there is none.
   */
  sshSocket(
    id: string,
    signal: AbortSignal,
  ): Promise<{ readonly path: string; release(): Promise<void> } | undefined>;
}

/** Git's credentials for a server, until they are released. */
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

/** Names of the secrets for servers, in order of preference (docker build, "Git authentication"). */
const SECRETS = ['GIT_AUTH_HEADER', 'GIT_AUTH_TOKEN'];
/** Hosts where a token for one repository is valid for all. */
const ONE_ACCOUNT = /^https:\/\/(?:www\.)?github\.com\//;

/**
 * Requests the client's SSH agent or a secret for the repository. Throws EngineError 'bad-request' when there is no
 * agent.
 */
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
 * Uses no key of this host, and refuses a server that contradicts the host's known hosts. As in BuildKit an unknown
 * server is trusted on first use.
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
    throw new EngineError('bad-request', `the secret ${name} is not an HTTP header: it has several lines`);
  }
  return undefined;
}
