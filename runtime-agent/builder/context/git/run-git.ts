import { type ChildProcess, spawn } from 'node:child_process';
import { EngineError } from '../../../errors.ts';

/** Environment of git: only its own configuration, no prompts, and only these protocols. */
const SETTINGS: Readonly<Record<string, string>> = {
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/false',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ALLOW_PROTOCOL: 'http:https:git',
  LC_ALL: 'C',
};
const PASSED_ON = [
  'PATH',
  ...['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'],
];
/** Advice that git prints after the reason. */
const ADVICE = /^(?:Please make sure you have the correct access rights|and the repository exists\.)/;
/** Maximum bytes of an answer that is parsed in one turn of the event loop. */
const LARGEST_ANSWER = 1 << 20;
/** Maximum bytes of its error output that are kept. */
const COMPLAINT = 2_000;

export interface GitPlace {
  /** Its home folder, used by nobody else. */
  readonly folder: string;
  /** The files, and git's working directory. */
  readonly files: string;
  /** Maximum bytes of a file that git may write there. */
  readonly limit: number;
  /** Its repository, and its credentials for a server. */
  readonly env: Readonly<Record<string, string>>;
}

/** git failed; the message is its own. */
export class GitError extends Error {
  override readonly name = 'GitError';
}

/**
 * Yields git's output while it runs. Ending the iteration kills git and its children, and so does an abort. Throws
 * GitError with its last error output, EngineError 'bad-request' if git is not installed.
 */
export async function* runGit(
  place: GitPlace,
  args: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  signal.throwIfAborted();
  const blocks = Math.ceil(place.limit / 512);
  const script = `umask 022 && ulimit -f ${blocks} && exec git "$@"`;
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'sh', '-c', script, 'git', ...args], {
    cwd: place.files,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...passedOn(), ...SETTINGS, HOME: place.folder, ...place.env },
  });
  const kill = () => killGroup(child);
  signal.addEventListener('abort', kill, { once: true });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-COMPLAINT);
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, endedBy) => resolve(code ?? endedBy ?? 1));
  });
  ended.catch(() => undefined);
  let isRead = false;
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    isRead = true;
  } finally {
    if (!isRead) {
      kill();
      await ended.catch(() => undefined);
    }
  }
  const end = await ended.finally(() => signal.removeEventListener('abort', kill));
  signal.throwIfAborted();
  if (end !== 0) throw failure(end, complaint, args);
}

/** Returns git's trimmed output. Throws as runGit() does. */
export async function gitOutput(
  place: GitPlace,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of runGit(place, args, signal)) {
    length += chunk.length;
    if (length > LARGEST_ANSWER) {
      throw new GitError(
        `git answers more than ${LARGEST_ANSWER} bytes: the repository has too many references of one name`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8').trim();
}

function failure(end: number | NodeJS.Signals, complaint: string, args: readonly string[]): Error {
  if (end === 127) {
    return new EngineError(
      'bad-request',
      'a git repository is to be fetched, and git is not installed on the host of the agent: run "apt-get install git" there, or build in a clone',
    );
  }
  if (/cannot run ssh:|ssh: not found/.test(complaint)) {
    return new EngineError(
      'bad-request',
      'the git repository is reached by SSH, and ssh is not installed on the host of the agent: run "apt-get install openssh-client" there',
    );
  }
  if (/No space left on device|Disk quota exceeded/.test(complaint)) {
    return new EngineError(
      'storage-full',
      'no space is left on the disk of the data folder: free some, for example by docker system prune',
    );
  }
  const lines = complaint.split('\n').filter((line) => line.trim() !== '' && !ADVICE.test(line));
  const words = lines.slice(-3).join(' ');
  const command = args.find((argument, index) => !argument.startsWith('-') && args[index - 1] !== '-c');
  return new GitError(words === '' ? `git ${command} ended with ${end}` : words);
}

function passedOn(): NodeJS.ProcessEnv {
  return Object.fromEntries(PASSED_ON.map((name) => [name, process.env[name]]));
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
