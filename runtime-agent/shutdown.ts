import { once } from 'node:events';
import type { Logger } from 'pino';

/** Milliseconds that running requests have to finish. */
const GRACE = 10_000;

/** The parts of an agent to shut down. */
export interface ShutdownParts {
  /** Ends builds and the streams of clients. */
  readonly stopping: AbortController;
  readonly buildkit: { close(): void };
  readonly fleet: { close(): Promise<void> };
  readonly servers: readonly { close(graceMs: number): Promise<unknown> }[];
  readonly containers: {
    list(): Promise<readonly { readonly state: { readonly pid: number } }[]>;
    close(): Promise<void>;
  };
  readonly trees: { close(): Promise<void> };
  readonly networking: { close(options: { readonly idle: boolean }): Promise<void> };
  readonly registry: { close(): void };
  readonly mounts: { release(): Promise<void> };
  readonly log: Logger;
}

/** Returns a signal that SIGINT and SIGTERM abort. */
export function untilSignalled(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => controller.abort());
  return controller.signal;
}

/** Resolves when the signal is aborted. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/**
 * Shuts the agent down: requests have ten seconds to finish, then everything is closed. Containers keep running; if
 * there are none, the agent's mounts and networks are removed.
 */
export async function shutDown({ log, ...parts }: ShutdownParts): Promise<void> {
  log.info('stopping; containers keep running');
  parts.stopping.abort();
  parts.buildkit.close();
  await parts.fleet.close();
  await Promise.all(parts.servers.map((server) => server.close(GRACE)));
  const idle = (await parts.containers.list()).every(({ state }) => state.pid === 0);
  await parts.containers.close();
  await parts.trees.close();
  await parts.networking.close({ idle });
  parts.registry.close();
  if (idle) await parts.mounts.release();
}
