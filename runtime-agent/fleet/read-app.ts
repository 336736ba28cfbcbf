import { type HostApp, type HostContainer, imageKey, projectOf } from '../../fleet/host-plan/host-app.ts';
import type { AppTarget } from '../../fleet/target.ts';
import type { ContainerInfo } from '../containers/container-info.ts';
import { isEngineError } from '../errors.ts';
import { LABELS, networkName, volumeName } from './create-body.ts';
import type { FleetContext } from './fleet-context.ts';
import type { AppProgress, ContainerFlags, StoredInstance } from './fleet-store.ts';
import { isStoppedByUser } from './instance-gate.ts';

const NO_FLAGS: ContainerFlags = {
  tried: false,
  passed: false,
  routed: false,
  draining: false,
  stopped: false,
  discarded: false,
};

/** An instance on this host: the container, and its specification. */
export interface FoundInstance {
  readonly info: ContainerInfo;
  readonly stored: StoredInstance;
}

/** Returns the fleet's containers of an app. Labels alone do not count: any user may set them. */
export async function findInstances(
  { engine }: FleetContext,
  app: string,
  stored: ReadonlyMap<string, StoredInstance>,
): Promise<readonly FoundInstance[]> {
  return (await engine.containers.list()).flatMap((info) => {
    const made = stored.get(info.config.Labels[LABELS.key] ?? '');
    return made?.app === app ? [{ info, stored: made }] : [];
  });
}

/**
 * Reports whether others resolve an instance by its names, even if another one has them: see
 * EndpointSettings.isWaiting.
 */
export function isFound({ networks }: ContainerInfo): boolean {
  return Object.values(networks).every(({ isWaiting }) => isWaiting !== true);
}

/** The state of an app other than its containers. */
export type HostParts = Pick<HostApp, 'images' | 'networks' | 'volumes'>;

export async function readParts(
  context: FleetContext,
  app: string,
  target: AppTarget | undefined,
): Promise<HostParts> {
  return {
    images: await presentImages(context, target),
    networks: presentNetworks(context, app, target),
    volumes: await presentVolumes(context, app, target),
  };
}

/** Returns the state of an app for its plan. */
export function hostApp(
  parts: HostParts,
  { outcome, jobs, containers: flags }: AppProgress,
  instances: readonly FoundInstance[],
): HostApp {
  const containers = instances.map((one) => hostContainer(one, flags[one.info.id] ?? NO_FLAGS));
  return { ...parts, outcome, jobs, containers };
}

function hostContainer({ info, stored }: FoundInstance, flags: ContainerFlags): HostContainer {
  const { Labels } = info.config;
  return {
    ...flags,
    // A container that a user has stopped starts over: only the target decides what runs.
    ...(isStoppedByUser(info.state) && { tried: false, passed: false }),
    id: info.id,
    name: info.name,
    service: stored.spec.name,
    instance: Number(Labels[LABELS.instance]),
    release: Number(Labels[LABELS.release]),
    attempt: Number(Labels[LABELS.attempt]),
    hash: Labels[LABELS.hash] ?? '',
    job: stored.job,
    state: stateOf(info),
    hasRoute: stored.spec.route !== undefined,
    claims: stored.claims,
  };
}

function stateOf({ state }: ContainerInfo): HostContainer['state'] {
  const { status } = state;
  if (status === 'created' || status === 'restarting') return status;
  return status === 'running' || status === 'paused' ? 'running' : 'exited';
}

async function presentImages(
  { engine, reference }: FleetContext,
  target: AppTarget | undefined,
): Promise<ReadonlySet<string>> {
  const present = new Set<string>();
  for (const { image } of target?.release.services ?? []) {
    const found = await engine.images.get(reference(image)).catch(unlessNotFound);
    if (found !== undefined) present.add(imageKey(image));
  }
  return present;
}

function presentNetworks(
  { engine }: FleetContext,
  app: string,
  target: AppTarget | undefined,
): ReadonlySet<string> {
  const present = new Set<string>();
  const all = engine.networks.list().map(({ network }) => network);
  for (const { labels } of all) {
    const name = labels[LABELS.network];
    if (labels[LABELS.project] === projectOf(app) && labels[LABELS.app] === app && name !== undefined)
      present.add(name);
  }
  for (const network of target?.release.networks ?? []) {
    if (all.some(({ name }) => name === networkName(app, network))) present.add(network.name);
  }
  return present;
}

async function presentVolumes(
  { engine }: FleetContext,
  app: string,
  target: AppTarget | undefined,
): Promise<ReadonlySet<string>> {
  const present = new Set<string>();
  for (const volume of target?.release.volumes ?? []) {
    const found = await engine.volumes.get(volumeName(app, volume)).catch(unlessNotFound);
    if (found !== undefined) present.add(volume.name);
  }
  return present;
}

function unlessNotFound(error: unknown): undefined {
  if (isEngineError(error) && error.code === 'not-found') return undefined;
  throw error;
}
