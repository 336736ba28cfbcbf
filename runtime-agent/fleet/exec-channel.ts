import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelRequest } from '../../fleet/messages.ts';
import { isJsonObject } from '../../lib/json/json-fields.ts';
import { shellExitCode } from '../oci-runner/runtime-error.ts';
import type { Channel, ChannelsDeps } from './channel.ts';
import { LABELS } from './create-body.ts';

/** Milliseconds between checks for the exit code after the last output. */
const PAUSE = 20;

/** Runs a command in an instance until it ends. Throws Error with a message when there is no such instance. */
export async function runExec(
  { engine, find }: ChannelsDeps,
  request: ChannelRequest & { readonly kind: 'exec' },
  channel: Channel,
): Promise<void> {
  const { app, service, instance, size } = request;
  const found = (await find(app)).filter(
    ({ info, stored }) =>
      stored.spec.name === service &&
      info.state.status === 'running' &&
      (instance === undefined || Number(info.config.Labels[LABELS.instance]) === instance),
  );
  // The newest: during an update it is the one that stays.
  const [target] = found;
  if (target === undefined) throw new Error(`no instance of ${service} runs on this host`);
  const { execs } = engine;
  const id = await execs.create(target.info.id, {
    cmd: request.command,
    user: request.user ?? '',
    env: Object.entries(request.environment).map(([name, value]) => `${name}=${value}`),
    workingDir: request.workingDir ?? '',
    tty: request.tty,
    privileged: false,
    attachStdin: request.stdin,
    attachStdout: true,
    attachStderr: true,
    detachKeys: '',
    ...(size !== undefined && { size }),
  });
  const { attachment } = await execs.start(id, size === undefined ? {} : { size });
  const attached = await attachment;
  const { failure } = await execs.get(id);
  if (failure !== undefined) {
    await channel.data('stderr', Buffer.from(`${failure}${request.tty ? '\r\n' : '\n'}`));
    channel.send('exit', Buffer.from(JSON.stringify(shellExitCode(failure))));
    return;
  }
  const detach = () => {
    attached.close();
    // As when a terminal or an ssh connection is lost: nohup keeps a command running.
    execs.hangUp(id);
  };
  if (channel.signal.aborted) detach();
  else channel.signal.addEventListener('abort', detach, { once: true });
  let input = Promise.resolve();
  channel.receive(({ kind, payload }) => {
    if (kind === 'stdin' && request.stdin) {
      const bytes = Buffer.from(payload);
      input = input
        .then(() => attached.write(bytes))
        .then(() => channel.allow(bytes.length))
        .catch(() => undefined);
    }
    if (kind === 'end') input = input.then(() => attached.endInput());
    const asked = kind === 'size' ? readSize(payload) : undefined;
    if (asked !== undefined) execs.resize(id, asked).catch(() => undefined);
  });
  try {
    for await (const { stream, data } of attached.output) await channel.data(stream, data);
    let { exitCode } = await execs.get(id);
    while (exitCode === undefined && !channel.signal.aborted) {
      await sleep(PAUSE);
      ({ exitCode } = await execs.get(id));
    }
    channel.send('exit', Buffer.from(JSON.stringify(exitCode ?? -1)));
  } finally {
    channel.signal.removeEventListener('abort', detach);
    attached.close();
  }
}

function readSize(payload: Buffer): { readonly rows: number; readonly columns: number } | undefined {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    if (!isJsonObject(value)) return undefined;
    const { rows, columns } = value;
    const isSize = (one: unknown): one is number =>
      Number.isInteger(one) && Number(one) > 0 && Number(one) < 65536;
    return isSize(rows) && isSize(columns) ? { rows, columns } : undefined;
  } catch {
    return undefined;
  }
}
