import { spawn } from 'node:child_process';
import { type CleanupScope, defer } from './cleanup.ts';
import { LONGEST_WAIT } from './longest-wait.ts';

/** A command at a terminal of its own, into which the test types. */
export interface OpenTerminal {
  type(text: string): void;
  /** Waits until what was printed since the last call matches. Throws with that when the command ends before, or is silent. */
  until(pattern: RegExp, timeoutMs?: number): Promise<void>;
  /** All that was printed, and the exit code, when the command has ended. */
  readonly ended: Promise<{ readonly exitCode: number | null; readonly output: string }>;
}

/** Runs a shell command line at a terminal (script(1)). It ends with `scope`. */
export function openTerminal(
  scope: CleanupScope,
  commandLine: string,
  env: Readonly<Record<string, string>> = {},
): OpenTerminal {
  const child = spawn('script', ['-qefc', `stty rows 24 cols 80; ${commandLine}`, '/dev/null'], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  let seen = 0;
  let wake = () => {};
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    output += text;
    wake();
  });
  child.stdin.on('error', () => undefined);
  let hasEnded = false;
  const ended = new Promise<{ readonly exitCode: number | null; readonly output: string }>((resolve) =>
    child.once('close', (exitCode) => {
      hasEnded = true;
      wake();
      resolve({ exitCode, output });
    }),
  );
  defer(scope, async () => {
    if (!hasEnded) child.kill('SIGKILL');
    await ended;
  });
  return {
    type: (text) => child.stdin.write(text),
    until: async (pattern, timeoutMs = LONGEST_WAIT) => {
      const limit = AbortSignal.timeout(timeoutMs);
      limit.addEventListener('abort', () => wake());
      for (;;) {
        const found = pattern.exec(output.slice(seen));
        if (found !== null) {
          seen += found.index + found[0].length;
          return;
        }
        if (hasEnded || limit.aborted) {
          const why = hasEnded ? 'the command has ended' : `nothing came for ${timeoutMs} ms`;
          throw new Error(
            `${commandLine}: waited in vain for ${pattern} (${why})\n${output.slice(seen, seen + 4000)}`,
          );
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    ended,
  };
}
