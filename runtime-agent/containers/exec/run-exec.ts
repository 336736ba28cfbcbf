import type { ExecOutcome, ExecRun, Execs } from './execs.ts';

const KEPT_OUTPUT = 4096;
const SIGKILL = 9;

/** See Execs.run. `kill` sends a signal to the process of an exec, where there is one. */
export async function runExec(
  execs: Execs,
  kill: (id: string, signal: number) => void,
  ref: string,
  command: ExecRun,
  signal: AbortSignal,
): Promise<ExecOutcome> {
  signal.throwIfAborted();
  const id = await execs.create(ref, {
    cmd: command.cmd,
    user: command.user ?? '',
    env: command.env ?? [],
    workingDir: command.workingDir ?? '',
    tty: false,
    privileged: false,
    attachStdin: false,
    attachStdout: true,
    attachStderr: true,
    detachKeys: '',
  });
  const attachment = await (await execs.start(id, {})).attachment;
  const over =
    command.timeout === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(command.timeout)]);
  const chunks: Buffer[] = [];
  let room = command.maxOutput ?? KEPT_OUTPUT;
  const stop = () => {
    attachment.close();
    kill(id, SIGKILL);
  };
  over.addEventListener('abort', stop, { once: true });
  if (over.aborted) stop();
  try {
    for await (const { data } of attachment.output) {
      if (room > 0) chunks.push(Buffer.from(data.subarray(0, room)));
      room -= data.length;
    }
  } finally {
    over.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
  const { exitCode } = await execs.get(id);
  const output = Buffer.concat(chunks).toString('utf8');
  return { exitCode: exitCode ?? 128 + SIGKILL, output, timedOut: exitCode === undefined };
}
