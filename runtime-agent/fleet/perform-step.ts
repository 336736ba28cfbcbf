import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { needsOf } from '../../fleet/eligibility.ts';
import type { Allowance } from '../../fleet/host.ts';
import { claimsOf } from '../../fleet/host-plan/claims.ts';
import { type HostStep, projectOf } from '../../fleet/host-plan/host-app.ts';
import type { NetworkSpec, ServiceSpec } from '../../fleet/service.ts';
import type { AppTarget } from '../../fleet/target.ts';
import { JsonFields } from '../../lib/json/json-fields.ts';
import { parseTraceparent, tracer } from '../../lib/tracing/trace.ts';
import { decodeCreateRequest } from '../engine-api/decode/create-request.ts';
import { EngineError, isEngineError, noSuchContainer } from '../errors.ts';
import { createBody, LABELS, networkName, volumeName } from './create-body.ts';
import type { FleetContext } from './fleet-context.ts';
import { addressOf, exitReason, GateError, passGate, watchInstances } from './instance-gate.ts';
import type { RoutedInstance } from './instance-routes.ts';
import { type FoundInstance, isFound } from './read-app.ts';

/** Milliseconds before a pull is tried again, at first and at most. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
/** Milliseconds that clients have to connect after they have resolved an instance's name. */
const CONNECTING = 100;

/** Dependencies of a step. */
export interface StepContext {
  readonly app: string;
  readonly target: AppTarget | undefined;
  readonly find: (container: string) => FoundInstance | undefined;
  /** Receives what the step waits for. */
  readonly note: (waitsFor: string) => void;
}

/**
 * Performs a step, as a span of its rollout if that is traced. Returns the exit code of a job; undefined for other
 * steps. Idempotent.
 */
export function performTraced(
  context: FleetContext,
  step: HostStep,
  at: StepContext,
  signal: AbortSignal,
): Promise<number | undefined> {
  const traces = tracer();
  const rollout = parseTraceparent(at.target?.trace);
  const work = () => performStep(context, step, at, signal);
  if (traces === undefined || rollout === undefined) return work();
  const attributes = { 'berth.app': at.app, 'berth.release': at.target?.release.number };
  return traces.run({ name: `step ${step.kind}`, kind: 'internal', attributes }, work, rollout);
}

async function performStep(
  context: FleetContext,
  step: HostStep,
  at: StepContext,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { engine, work } = context;
  switch (step.kind) {
    case 'pull':
      await pullUntilDone(context, step, at, signal);
      return;
    case 'create-network':
      await createNetwork(context, at, step.network);
      return;
    case 'create-volume':
      await createVolume(context, at, step.volume);
      return;
    case 'remove-network':
      await engine.networks.remove(networkName(at.app, named(step.network))).catch(unlessNotFound);
      return;
    case 'create':
      await work.hold(signal, () => createInstance(context, at, step));
      return;
    case 'start':
      await work.hold(signal, () => engine.containers.start(step.container)).catch(unlessNotModified);
      return;
    case 'wait-healthy': {
      const { spec } = foundOf(at, step.container).stored;
      await passGate(engine, step.container, spec, at.note, signal);
      return;
    }
    case 'wait-job':
      return await waitForJob(context, at, step, signal);
    case 'route':
      await context.routes.lead(at.app, await routedInstances(context, step.containers, at));
      return;
    case 'drain': {
      const [instance] = await routedInstances(context, [step.container], at);
      const grace = foundOf(at, step.container).stored.spec.stopGracePeriod;
      if (instance !== undefined) await context.routes.drained(instance, grace, signal);
      return;
    }
    case 'stop': {
      await leaveNames(engine, foundOf(at, step.container), signal);
      const timeout = Math.ceil(foundOf(at, step.container).stored.spec.stopGracePeriod / 1000);
      await engine.containers.stop(step.container, { timeout }).catch(unlessNotModified);
      return;
    }
    case 'remove': {
      const { key } = foundOf(at, step.container).stored;
      await engine.containers.remove(step.container, { force: true, volumes: true });
      await context.files.remove(key);
      await context.store.removeInstances([key]);
      return;
    }
    case 'rename':
      await engine.control.rename(step.container, step.name);
      return;
    case 'watch': {
      const longest = (at.target?.release.services ?? []).map(({ spec }) => spec.update.monitor);
      await watchInstances(engine, step.containers, Math.max(0, ...longest), signal);
      return;
    }
    case 'settle':
  }
}

/** Returns the instances of these containers that requests can be routed to. */
export async function routedInstances(
  { openSecret }: Pick<FleetContext, 'openSecret'>,
  containers: readonly string[],
  { find }: Pick<StepContext, 'find'>,
): Promise<readonly RoutedInstance[]> {
  const routed: RoutedInstance[] = [];
  for (const container of containers) {
    const found = find(container);
    const address = found && addressOf(found.info);
    const route = found?.stored.spec.route;
    if (address === undefined || route === undefined) continue;
    const name = route.kind === 'http' && route.tls.kind === 'secret' ? route.tls.secret : undefined;
    const sealed = found?.stored.secrets.find((one) => one.name === name)?.sealed;
    const certificate = sealed && Buffer.from(await openSecret(sealed)).toString('utf8');
    routed.push({ container, route, address, ...(certificate && { certificate }) });
  }
  return routed;
}

/**
 * Throws EngineError with a message when this host does not allow a privilege of the app, or a network or volume
 * belongs to another app.
 */
export async function checkAllowed(
  { allows, engine }: Pick<FleetContext, 'allows' | 'engine'>,
  { app, release }: AppTarget,
): Promise<void> {
  for (const { spec } of release.services) {
    const refused = needsOf(spec).find(({ allowance }) => !allows.includes(allowance));
    if (refused !== undefined) throw notAllowed(`${refused.key} of ${spec.name}`, refused.allowance);
  }
  for (const spec of release.networks) {
    const network = findNetwork(engine, networkName(app, spec));
    if (network?.driver === 'host' && !allows.includes('host-network')) {
      throw notAllowed(`its own network as ${spec.name}`, 'host-network');
    }
    checkOwner('network', network, app);
  }
  for (const spec of release.volumes) {
    checkOwner('volume', await engine.volumes.get(volumeName(app, spec)).catch(unlessNotFound), app);
  }
}

function notAllowed(what: string, allowance: Allowance): EngineError {
  return new EngineError('forbidden', `this host does not allow ${what}: join it with --allow ${allowance}`);
}

function findNetwork({ networks }: FleetContext['engine'], name: string) {
  try {
    return networks.get(name).network;
  } catch (error) {
    return unlessNotFound(error);
  }
}

/**
 * Checks the owner: external names may collide with names of other apps, and `team/shop` and `team-shop` have the same.
 */
function checkOwner(
  kind: 'network' | 'volume',
  found: { readonly name: string; readonly labels: Readonly<Record<string, string>> } | undefined,
  app: string,
): void {
  const owner = found?.labels[LABELS.app];
  if (found === undefined || owner === undefined || owner === app) return;
  throw new EngineError(
    'forbidden',
    `the ${kind} ${found.name} belongs to the app ${owner}, so ${app} cannot use it`,
  );
}

/** Retries network failures; refusals by the registry are final. */
async function pullUntilDone(
  context: FleetContext,
  { image, platform }: HostStep & { readonly kind: 'pull' },
  { note }: StepContext,
  signal: AbortSignal,
): Promise<void> {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      await context.pull(image, platform, signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (isEngineError(error) && FINAL.has(error.code)) throw error;
      note(`${context.reference(image)} cannot be pulled: ${(error as Error).message}`);
    }
    await sleep(pause, undefined, { signal });
  }
}

const FINAL: ReadonlySet<string> = new Set(['not-found', 'bad-request', 'storage-full', 'not-implemented']);

/** Makes others stop resolving the instance; a client that has just resolved it has a moment to connect. */
async function leaveNames(
  { control }: FleetContext['engine'],
  { info, stored }: FoundInstance,
  signal: AbortSignal,
): Promise<void> {
  if (!isFound(info) || stored.job || Object.keys(info.networks).length === 0) return;
  await control.setReady(info.id, false);
  if (info.state.status === 'running') await sleep(CONNECTING, undefined, { signal });
}

async function createNetwork({ engine }: FleetContext, at: StepContext, name: string): Promise<void> {
  const network = at.target?.release.networks.find((one) => one.name === name) ?? named(name);
  if (network.external !== undefined) {
    engine.networks.get(network.external);
    return;
  }
  const labels = {
    ...network.labels,
    [LABELS.project]: projectOf(at.app),
    [LABELS.network]: name,
    [LABELS.app]: at.app,
  };
  await engine.networks.create({
    name: networkName(at.app, network),
    driver: '',
    internal: network.internal,
    attachable: false,
    enableIpv6: network.ipv6 ?? false,
    ipamOptions: null,
    subnets: network.ipv6 ? [{ subnet: localSubnet() }] : [],
    options: network.options ?? {},
    labels,
  });
}

/** A subnet of unique local addresses (RFC 4193), chosen at random. */
function localSubnet(): string {
  const [a = '', b = '', c = ''] =
    randomBytes(5)
      .toString('hex')
      .match(/^..|..../g) ?? [];
  return `fd${a}:${b}:${c}:1::/64`;
}

async function createVolume({ engine }: FleetContext, at: StepContext, name: string): Promise<void> {
  const volume = at.target?.release.volumes.find((one) => one.name === name);
  if (volume === undefined) return;
  if (volume.external !== undefined) {
    await engine.volumes.get(volume.external);
    return;
  }
  const labels = {
    ...volume.labels,
    [LABELS.project]: projectOf(at.app),
    [LABELS.volume]: name,
    [LABELS.app]: at.app,
  };
  const made = await engine.volumes.create({ name: volumeName(at.app, volume), labels });
  // It may be older than this step.
  checkOwner('volume', made, at.app);
}

/** Journals the specification of the instance before the container exists. */
async function createInstance(
  context: FleetContext,
  { app, target }: StepContext,
  step: HostStep & { readonly kind: 'create' },
): Promise<void> {
  const service = target?.release.services.find(({ spec }) => spec.name === step.service);
  if (target === undefined || service === undefined) return;
  const { engine, files, store } = context;
  const { release, attempt } = target;
  const { spec } = service;
  const key = randomBytes(16).toString('hex');
  const instance = {
    key,
    app,
    spec,
    claims: claimsOf(spec, release.volumes),
    job: service.job,
    ...usedBy(spec, target),
  };
  await store.addInstance(instance);
  try {
    const body = createBody({
      app,
      release,
      attempt,
      service,
      instance: step.instance,
      key,
      image: context.reference(service.image),
      files: await files.write(instance, context.openSecret),
    });
    const query = new URLSearchParams({ name: step.name, platform: spec.platform ?? '' });
    const fields = new JsonFields(JSON.parse(JSON.stringify(body)));
    const { networks = {}, ...request } = decodeCreateRequest(fields, query, engine.host);
    // It is not resolvable by the name of its service before it is healthy, unless nothing else has that name.
    const waiting = Object.entries(networks).map(
      ([name, settings]) => [name, { ...settings, isWaiting: true }] as const,
    );
    await engine.containers.create({ ...request, networks: Object.fromEntries(waiting) });
  } catch (error) {
    await files.remove(key);
    await store.removeInstances([key]);
    throw error;
  }
}

/** Returns the configurations and secrets of one service, including its certificate. */
function usedBy(spec: ServiceSpec, { release }: AppTarget) {
  const tls = spec.route?.kind === 'http' && spec.route.tls.kind === 'secret' ? [spec.route.tls.secret] : [];
  const secrets = new Set([...spec.secrets.map(({ source }) => source), ...tls]);
  const configs = new Set(spec.configs.map(({ source }) => source));
  return {
    configs: release.configs.filter(({ name }) => configs.has(name)),
    secrets: release.secrets.filter(({ name }) => secrets.has(name)),
  };
}

async function waitForJob(
  { engine }: FleetContext,
  { note }: StepContext,
  { container, service }: HostStep & { readonly kind: 'wait-job' },
  signal: AbortSignal,
): Promise<number> {
  note(`the job ${service} runs`);
  const { result } = await engine.containers.wait(container, 'not-running', signal);
  await result;
  const info = await engine.containers.get(container);
  if (info.state.exitCode === 0 && info.state.error === '') return 0;
  throw new JobError(info.state.exitCode || 1, `the job ${await exitReason(engine, info, service)}`);
}

/** A job ended with an exit code other than 0. */
export class JobError extends GateError {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

function foundOf({ find }: StepContext, container: string): FoundInstance {
  const found = find(container);
  if (found === undefined) throw noSuchContainer(container);
  return found;
}

/** Returns a network of a removed release. */
function named(name: string): NetworkSpec {
  return { name, internal: false, labels: {} };
}

function unlessNotModified(error: unknown): void {
  if (!(isEngineError(error) && error.code === 'not-modified')) throw error;
}

function unlessNotFound(error: unknown): undefined {
  if (!(isEngineError(error) && error.code === 'not-found')) throw error;
  return undefined;
}
