import type { ReportedHost } from '../../fleet/host.ts';
import { LogPosition, rereadFrom } from '../../fleet/log-position.ts';
import { pausedFor } from '../background/repeat.ts';
import type { LogLine } from './log-lines.ts';

/** Milliseconds between checks for hosts that have new instances, or have connected again. */
const LOOK_AGAIN = 1_000;
/** Maximum instances of a host whose last lines are remembered. */
const MAX_REMEMBERED = 1_000;

/** The source of followed lines. */
export interface FollowedLogs {
  /** The hosts that have instances of the app now. */
  hosts(): Promise<readonly ReportedHost[]>;
  /** Lines of hosts that are already open, by the ID of the host. */
  readonly begun: ReadonlyMap<string, AsyncGenerator<LogLine>>;
  /** Returns the lines of a host, from `since` on, ms of its clock. Throws a sentence for an unreachable host. */
  open(host: ReportedHost, since?: number): Promise<AsyncGenerator<LogLine>>;
  readonly signal: AbortSignal;
}

interface FollowedHost {
  /** The reported reason why it sends no lines; undefined while it does. */
  trouble?: string;
  isOpen: boolean;
  /** By instance, so that no line is repeated after a pause. */
  readonly positions: Map<string, LogPosition>;
}

/**
 * Yields the lines of all hosts of an app as they arrive, including hosts that get instances later. An unreachable host
 * yields one line that says so; its lines continue when it is back. One line of each host waits for the reader.
 */
export async function* followLogs(logs: FollowedLogs): AsyncGenerator<LogLine> {
  const hosts = new Map<string, FollowedHost>();
  const ready: { readonly line: LogLine; readonly taken: () => void }[] = [];
  let wake = Promise.withResolvers<void>();
  const put = (line: LogLine): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    ready.push({ line, taken: resolve });
    wake.resolve();
    return promise;
  };
  const look = async () => {
    const found = await logs.hosts();
    await Promise.all(
      found.map(async (host) => {
        const followed = hosts.get(host.id) ?? { isOpen: false, positions: new Map() };
        if (!followed.isOpen && !logs.signal.aborted) await begin(host, followed);
      }),
    );
    return found.length > 0 || [...hosts.values()].some(({ isOpen }) => isOpen);
  };
  const begin = async (host: ReportedHost, followed: FollowedHost) => {
    followed.isOpen = true;
    try {
      const isFirst = !hosts.has(host.id);
      hosts.set(host.id, followed);
      const lines =
        (isFirst ? logs.begun.get(host.id) : undefined) ?? (await logs.open(host, rewind(followed)));
      void pump(lines, host.name, followed);
    } catch (error) {
      followed.isOpen = false;
      void tell(followed, host.name, (error as Error).message);
    }
  };
  const tell = async (followed: FollowedHost, host: string, trouble: string) => {
    if (followed.trouble === trouble) return;
    followed.trouble = trouble;
    await put({ host, error: trouble });
  };
  const pump = async (lines: AsyncGenerator<LogLine>, host: string, followed: FollowedHost) => {
    try {
      for await (const line of lines) {
        if ('error' in line) await tell(followed, host, line.error);
        else if (isNew(line, followed)) {
          delete followed.trouble;
          await put(line);
        }
      }
    } finally {
      followed.isOpen = false;
    }
  };
  const looking = async () => {
    do {
      // The app was removed.
      if (!(await look())) return;
    } while (await pausedFor(LOOK_AGAIN, logs.signal));
  };
  let failure: unknown;
  let isOver = false;
  const over = looking()
    .catch((error: unknown) => {
      failure = error;
    })
    .finally(() => {
      isOver = true;
      wake.resolve();
    });
  for (;;) {
    const next = ready.shift();
    if (next !== undefined) {
      yield next.line;
      next.taken();
    } else if (isOver) break;
    else {
      await wake.promise;
      wake = Promise.withResolvers();
    }
  }
  await over;
  if (failure !== undefined) throw failure;
}

function isNew(line: LogLine, { positions }: FollowedHost): boolean {
  if ('error' in line) return true;
  const name = `${line.service} ${line.instance} ${line.release}`;
  const position = positions.get(name) ?? new LogPosition();
  positions.delete(name);
  positions.set(name, position);
  const [oldest] = positions.keys();
  if (positions.size > MAX_REMEMBERED && oldest !== undefined) positions.delete(oldest);
  return position.take(line.time);
}

/** Returns undefined before the first line: then the whole request is read again. */
function rewind({ positions }: FollowedHost): number | undefined {
  for (const position of positions.values()) position.rewind();
  return rereadFrom(positions.values());
}
