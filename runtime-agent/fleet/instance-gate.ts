import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceSpec } from '../../fleet/service.ts';
import { type ContainerInfo, UNSEEN_EXIT } from '../containers/container-info.ts';
import type { EngineEvent } from '../events/event-bus.ts';
import type { FleetEngine } from './fleet-context.ts';
import { probeRoute } from './probe-route.ts';

/** Milliseconds between checks of an instance that waits for its health. */
const PAUSE = 100;
/** Maximum exits of an instance that its policy restarts; after these it has failed. */
const MAX_EXITS = 3;
/** Number of log lines in a reason. */
const LAST_LINES = 5;
const LONGEST_LOG = 600;

/** The instance did not become healthy, or did not stay healthy; the message is for people. */
export class GateError extends Error {
  override readonly name = 'GateError';
}

/** A user has stopped, killed or removed the instance through the Engine API: it did not fail. */
export class StoppedByUserError extends Error {
  override readonly name = 'StoppedByUserError';
}

/**
 * Resolves when an instance is healthy: its health check succeeds, or without one its route answers, or else it ran for
 * `monitor` milliseconds. `note` receives what it waits for. Throws GateError when it ended or is unhealthy,
 * StoppedByUserError, and EngineError 'not-found' once it was removed.
 */
export async function passGate(
  engine: FleetEngine,
  container: string,
  spec: ServiceSpec,
  note: (waitsFor: string) => void,
  signal: AbortSignal,
): Promise<void> {
  // An instance that its policy has restarted no longer shows its exit code.
  let exitCode: number | undefined;
  const unsubscribe = engine.events.subscribe((event) => {
    if (event.id === container) exitCode = exitCodeOf(event) ?? exitCode;
  });
  try {
    await untilHealthy(engine, container, spec, () => exitCode, note, signal);
  } finally {
    unsubscribe();
  }
}

async function untilHealthy(
  engine: FleetEngine,
  container: string,
  spec: ServiceSpec,
  lastExit: () => number | undefined,
  note: (waitsFor: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { state: first } = await engine.containers.get(container);
  // A shutdown of the machine is not an exit in this attempt, even before the policy has restarted the instance.
  const isLost = first.status === 'restarting' && first.exitCode === UNSEEN_EXIT;
  const exitsBefore = first.restartCount + (isLost ? 1 : 0);
  let runsSince: number | undefined;
  const { monitor } = spec.update;
  for (;;) {
    signal.throwIfAborted();
    const info = await engine.containers.get(container);
    const { state } = info;
    const exits = state.restartCount - exitsBefore;
    const hasGate = state.health !== undefined || spec.route !== undefined;
    refuseStopped(info);
    if (state.status === 'exited' || state.status === 'dead' || exits >= (hasGate ? MAX_EXITS : 1)) {
      throw new GateError(await exitReason(engine, info, spec.name, lastExit()));
    }
    if (state.health !== undefined) {
      const isRunning = state.status === 'running';
      if (isRunning && state.health.Status === 'healthy') return;
      if (isRunning && state.health.Status === 'unhealthy') {
        throw new GateError(`${nameOf(info, spec.name)} is unhealthy: its health check ${lastProbe(info)}`);
      }
      note(`${nameOf(info, spec.name)}: its health check ${lastProbe(info)}`);
    } else if (spec.route !== undefined) {
      const address = addressOf(info);
      const why = address === undefined ? 'it does not run' : await probeRoute(spec.route, address, signal);
      if (why === undefined) return;
      note(`${nameOf(info, spec.name)}: ${why}`);
    } else {
      const runs = state.status === 'running' || state.status === 'paused';
      runsSince = runs ? (runsSince ?? performance.now()) : undefined;
      if (runsSince !== undefined && performance.now() - runsSince >= monitor) return;
      note(`${nameOf(info, spec.name)}: it must run for ${monitor / 1000} s`);
    }
    await sleep(PAUSE, undefined, { signal });
  }
}

/**
 * Watches for `duration` milliseconds. Throws when one of the containers ends: GateError, StoppedByUserError, and
 * EngineError 'not-found' for a removed one.
 */
export async function watchInstances(
  engine: FleetEngine,
  containers: readonly string[],
  duration: number,
  signal: AbortSignal,
): Promise<void> {
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const check = async (id: string) => {
    const info = await engine.containers.get(id);
    refuseStopped(info);
    if (info.state.status !== 'running' && info.state.status !== 'paused') {
      throw new GateError(await exitReason(engine, info, undefined));
    }
  };
  const unsubscribe = engine.events.subscribe((event) => {
    const exitCode = exitCodeOf(event);
    if (exitCode !== undefined && containers.includes(event.id)) {
      engine.containers
        .get(event.id)
        .then((info) => {
          refuseStopped(info);
          return exitReason(engine, info, undefined, exitCode);
        })
        .then((reason) => failed.reject(new GateError(reason)), failed.reject);
    }
  });
  try {
    for (const id of containers) await check(id);
    await Promise.race([sleep(duration, undefined, { signal }), failed.promise]);
  } finally {
    unsubscribe();
  }
}

/** Throws StoppedByUserError. */
function refuseStopped({ name, state }: ContainerInfo): void {
  if (isStoppedByUser(state)) throw new StoppedByUserError(`${name} was stopped by hand`);
}

/** Reports whether a container is stopped because a client of the Engine API, including the fleet, stopped it. */
export function isStoppedByUser({ status, stoppedByUser }: ContainerInfo['state']): boolean {
  return stoppedByUser && status !== 'running' && status !== 'paused' && status !== 'created';
}

/** Returns the exit code of a container that has just ended; undefined for other events. */
export function exitCodeOf({ type, action, attributes }: EngineEvent): number | undefined {
  return type === 'container' && action === 'die' ? Number(attributes.exitCode) : undefined;
}

/** Describes how an instance ended, with its last lines of output. `exitCode` is that of its state by default. */
export async function exitReason(
  engine: FleetEngine,
  info: ContainerInfo,
  service: string | undefined,
  exitCode = info.state.exitCode,
): Promise<string> {
  const { state, hostConfig } = info;
  const name = nameOf(info, service);
  const times = state.restartCount > 0 ? `, ${state.restartCount + 1} times` : '';
  const how =
    state.error !== ''
      ? `${name} could not be started: ${state.error}`
      : state.oomKilled
        ? `${name} was killed because it used more than its ${hostConfig.Memory} bytes of memory${times}`
        : `${name} exited with code ${exitCode}${times}`;
  const log = await lastLines(engine, info.id);
  return log === '' ? how : `${how}: ${log}`;
}

/** Returns the end of an instance's log, in one line. */
async function lastLines(engine: FleetEngine, container: string): Promise<string> {
  const lines: string[] = [];
  try {
    const options = { stdout: true, stderr: true, follow: false, tail: LAST_LINES };
    const log = await engine.containers.logs(container, options, AbortSignal.timeout(5000));
    for await (const { data } of log) lines.push(Buffer.from(data).toString('utf8').trim());
  } catch {
    // The logging driver cannot be read, or the container is gone.
  }
  return lines.filter(Boolean).join(' | ').slice(-LONGEST_LOG);
}

function nameOf({ config }: ContainerInfo, service: string | undefined): string {
  const { Labels } = config;
  return `${service ?? Labels['com.docker.compose.service']} ${Labels['io.berth.instance'] ?? ''}`.trim();
}

function lastProbe({ state }: ContainerInfo): string {
  const last = state.health?.Log.at(-1);
  if (last === undefined) return 'has not run yet';
  return `failed with ${last.ExitCode}: ${last.Output.trim().slice(0, 300)}`;
}

/**
 * Returns the address at which the host reaches an instance; undefined while it is not running, or without a network.
 */
export function addressOf({ hostConfig, activeNetwork, state }: ContainerInfo): string | undefined {
  if (hostConfig.NetworkMode === 'host') return state.pid > 0 ? '127.0.0.1' : undefined;
  const endpoints = activeNetwork?.endpoints ?? [];
  return endpoints
    .map(({ ipv4 }) => ipv4.split('/')[0])
    .find((address) => address !== undefined && address !== '');
}
