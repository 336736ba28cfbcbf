/** A failure of an OCI runtime to create a container, with dockerd's exit code and message. */
export interface CreateFailure {
  /** 127: no such command; 126: not executable; 128: anything else. */
  readonly exitCode: number;
  /** The whole message, as `docker run` prints it after `Error response from daemon: `. */
  readonly message: string;
}

const CRUN_WORKDIR = /^chdir to `(.*?)`: (.*)$/s;

const CRUN: readonly (readonly [RegExp, (path: string) => string])[] = [
  [/cannot find `()` in \$PATH/, () => 'exec: "": executable file not found in $PATH'],
  [
    /executable file `(.*?)` not found in \$PATH/s,
    (path) => `exec: ${quote(path)}: executable file not found in $PATH`,
  ],
  [
    /executable file `(.*?)` not found/s,
    (path) => `exec: ${quote(path)}: stat ${path}: no such file or directory`,
  ],
  [
    /the path `(.*?)` is not a regular file/s,
    (path) => `exec: ${quote(path)}: is a directory: permission denied`,
  ],
  [/the path `(.*?)` exists but it is not executable/s, (path) => `exec: ${quote(path)}: permission denied`],
];

/** Reads the last error that crun or runc wrote to stderr, or one in runc's words (`exec: …`). */
export function readCreateFailure(runtime: string, stderr: string): CreateFailure {
  const reason = runtime === 'crun' ? crunReason(stderr) : runcReason(stderr);
  return {
    exitCode: exitCodeOf(reason),
    message:
      'failed to create task for container: failed to create shim task: OCI runtime create failed: ' +
      `${reason}: unknown`,
  };
}

/** Reads the error of an exec, and returns the text that dockerd shows. */
export function readExecFailure(runtime: string, stderr: string): string {
  const reason = runtime === 'crun' ? crunReason(stderr, 'exec failed') : runcReason(stderr);
  return `OCI runtime exec failed: ${reason}: unknown`;
}

/** Exit code of a command that could not be started, as shells have it: 127 when it was not found, otherwise 126. */
export function shellExitCode(failure: string): 126 | 127 {
  return exitCodeOf(failure) === 127 ? 127 : 126;
}

function crunReason(stderr: string, what = 'crun create failed'): string {
  const text = stderr.trim();
  if (text.startsWith('exec: ')) return `${what}: unable to start container process: ${text}`;
  for (const [pattern, words] of CRUN) {
    const path = pattern.exec(text)?.[1];
    if (path !== undefined) return `${what}: unable to start container process: ${words(path)}`;
  }
  const [, folder, why] = CRUN_WORKDIR.exec(text) ?? [];
  if (folder !== undefined && why !== undefined) {
    const reason = `${why.charAt(0).toLowerCase()}${why.slice(1)}`;
    return `${what}: unable to start container process: chdir to cwd (${quote(folder)}) set in config.json failed: ${reason}`;
  }
  return text === '' ? what : `${what}: ${text}`;
}

function runcReason(stderr: string): string {
  const messages = [...stderr.matchAll(/\bmsg=("(?:[^"\\]|\\.)*"|\S+)/g)].map(([, text = '']) =>
    unquote(text),
  );
  const text = messages.at(-1) ?? `runc create failed: unable to start container process: ${stderr.trim()}`;
  // Docker's CLI recognises a command that cannot run by these words, which runc omits for a folder.
  return /: is a directory$/.test(text) ? `${text}: permission denied` : text;
}

function exitCodeOf(reason: string): number {
  if (/exec: .*(executable file not found|no such file or directory)/s.test(reason)) return 127;
  if (/exec: .*exec format error/s.test(reason)) return 126;
  if (/exec: .*permission denied/s.test(reason)) return 126;
  return 128;
}

function quote(path: string): string {
  return JSON.stringify(path);
}

function unquote(text: string): string {
  if (!text.startsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/gs, (_, char: string) => (char === 'n' ? '\n' : char));
}
