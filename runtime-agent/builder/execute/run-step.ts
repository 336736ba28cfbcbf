import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerInfo } from '../../containers/container-info.ts';
import { gatherDevices, writeBundle } from '../../containers/run/bundle.ts';
import { openOwnNetwork, type RunNetwork } from '../../containers/run/run-network.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import type { ContainerNetworks } from '../../networks/container-networks.ts';
import { networkMode } from '../../networks/plan/place-container.ts';
import { etcFiles } from '../../oci-runner/run-paths.ts';
import type { Rootfs } from '../../snapshots/rootfs-overlays.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { RunOp, Step } from '../solver/step.ts';
import type { LayerChain } from '../solver/step-key.ts';
import type { OpenedMounts } from './open-mounts.ts';
import type { RunContext } from './run-context.ts';
import { runStepProcess, type StepOutput } from './run-process.ts';
import { type RunSettings, stepContainer } from './step-container.ts';
import { StepFailedError } from './step-error.ts';

export interface RunStepOptions {
  /** 64 hexadecimal digits, for this run alone. */
  readonly id: string;
  readonly step: Step;
  readonly op: RunOp;
  readonly chain: LayerChain;
  readonly settings: RunSettings;
  readonly mounts: (rootfs: Rootfs) => Promise<OpenedMounts>;
  readonly output: StepOutput;
  /** Stores the difference as a layer's tar; called only if there is one. */
  readonly keep: (tar: AsyncIterable<Uint8Array>) => Promise<void>;
  /** Maximum time of files, seconds since 1970; undefined keeps their times. */
  readonly latest: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Runs a command on the layers of its stage. When this settles, only the result of `keep` remains. Throws
 * StepFailedError, EngineError, the signal's reason.
 */
export async function runStep(context: RunContext, options: RunStepOptions): Promise<void> {
  const { id, chain, signal } = options;
  const folder = join(context.paths.containers, id);
  signal.throwIfAborted();
  await mkdir(folder, { mode: 0o700 });
  const container = stepContainer(context, id, options.op, options.settings);
  const network = openStepNetwork(context.networks, container, folder);
  try {
    const rootfs = await context.overlays.mount(id, [context.stub.diffId, ...chain]);
    await runIn(context, options, { container, network, rootfs });
    // Removing a network namespace takes the kernel as long as reading the changes of the step.
    const closing = network.close();
    if ((await readdir(rootfs.upper)).length > 0) {
      const latest = options.latest === undefined ? {} : { latest: options.latest };
      await options.keep(context.tars.read({ folder: rootfs.upper, overlay: {}, ...latest }, signal));
    }
    await closing;
  } finally {
    await network.close();
    await context.overlays.remove(id);
    for (const left of [folder, join(context.bundles, id)]) await rm(left, { recursive: true, force: true });
  }
}

/** The network of a step, which opens while the root file system is mounted. */
interface OpeningNetwork {
  readonly opened: Promise<RunNetwork>;
  /** Closes it, even if it could not be opened. May be called several times. */
  close(): Promise<void>;
}

/** Opens the network of a step, with its /etc files in `folder`. `opened` rejects with EngineError. */
export function openStepNetwork(
  networks: ContainerNetworks,
  container: ContainerInfo,
  folder: string,
): OpeningNetwork {
  const opening = openOfBuild(networks, container, folder);
  const opened = opening.then(async (network) => {
    await network.ready;
    return network;
  });
  opened.catch(() => undefined);
  let closing: Promise<void> | undefined;
  const close = async () => {
    await opening.then(({ release }) => release()).catch(() => undefined);
    await networks.close(container.id);
  };
  return {
    opened,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

async function openOfBuild(
  networks: ContainerNetworks,
  container: ContainerInfo,
  folder: string,
): Promise<RunNetwork> {
  if (networkMode(container.hostConfig.NetworkMode).kind === 'container') {
    throw new EngineError(
      'bad-request',
      'a build cannot share the network of a container: name a network, host or none',
    );
  }
  return await openOwnNetwork(networks, container, etcFiles(folder));
}

/** The root and user of a step. */
interface RunPlace {
  readonly container: ContainerInfo;
  readonly network: OpeningNetwork;
  readonly rootfs: Rootfs;
}

async function runIn(
  context: RunContext,
  options: RunStepOptions,
  { container, network: opening, rootfs }: RunPlace,
): Promise<void> {
  const { id, step, op, signal } = options;
  const bundle = join(context.bundles, id);
  const devices = await gatherDevices(context.host.files, container.hostConfig);
  const mounts = await options.mounts(rootfs);
  try {
    const config = { ...container.config, Env: [...container.config.Env, ...mounts.env] };
    await mkdir(bundle, { mode: 0o700 });
    await writeBundle(context.host, { ...container, config }, join(bundle, 'config.json'), {
      rootfs: rootfs.path,
      mounts: mounts.mounts,
      network: await opening.opened,
      devices,
    });
    const exitCode = await runStepProcess(context, id, bundle, options.output, signal);
    if (exitCode !== 0) throw new StepFailedError(step.at, op.args.join(' '), exitCode);
  } catch (error) {
    if (error instanceof StepFailedError || !isEngineError(error)) throw error;
    throw dockerfileError(step.at, `RUN: ${error.message}`, { cause: error });
  } finally {
    await mounts.close();
  }
}
