import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { arch } from 'node:process';
import { readFileInRoot } from '../../../lib/linux/files/open-in-root.ts';
import type { ContainerInfo } from '../../containers/container-info.ts';
import { ociSpec } from '../../containers/plan/oci-spec.ts';
import { resolveUser } from '../../containers/plan/user.ts';
import { gatherDevices } from '../../containers/run/devices.ts';
import { isEngineError } from '../../errors.ts';
import { apparmorProfile } from '../../oci-runner/apparmor.ts';
import { writeOciJson } from '../../oci-runner/bundle.ts';
import { containerCapabilities } from '../../oci-runner/capabilities.ts';
import { seccompProfile } from '../../oci-runner/seccomp.ts';
import type { Rootfs } from '../../snapshots/snapshotter.ts';
import { dockerfileError } from '../frontend/dockerfile-text.ts';
import type { RunOp, Step } from '../solver/step.ts';
import type { LayerChain } from '../solver/step-key.ts';
import type { OpenedMounts } from './open-mounts.ts';
import type { RunContext } from './run-context.ts';
import { runStepProcess, type StepOutput } from './run-process.ts';
import { type RunSettings, stepContainer } from './step-container.ts';
import { StepFailedError } from './step-error.ts';
import { openStepNetwork, type StepNetwork } from './step-network.ts';

/** Bytes of an image's passwd or group file that are read. */
const ACCOUNTS_LIMIT = 4 << 20;

export interface RunStepOptions {
  /** 64 hexadecimal digits, for this run alone. */
  readonly id: string;
  readonly step: Step;
  readonly op: RunOp;
  readonly chain: LayerChain;
  readonly settings: RunSettings;
  readonly mounts: (rootfs: Rootfs) => Promise<OpenedMounts>;
  readonly output: StepOutput;
  /** Takes the difference as the tar of a layer; called only where there is one. */
  readonly keep: (tar: AsyncIterable<Uint8Array>) => Promise<void>;
  /** Seconds since 1970 that no file is newer than; undefined keeps their times. */
  readonly latest: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Runs a command over the layers of its stage. Nothing of it is left when this settles, but what `keep` took. Throws
 * StepFailedError, EngineError, the signal's reason.
 */
export async function runStep(context: RunContext, options: RunStepOptions): Promise<void> {
  const { id, chain, signal } = options;
  const folder = join(context.paths.containers, id);
  signal.throwIfAborted();
  await mkdir(folder, { mode: 0o700 });
  const container = stepContainer(context, id, options.op, options.settings);
  const network = networkFor(context, container, folder);
  try {
    const rootfs = await context.snapshotter.mountRootfs(id, [context.stub.diffId, ...chain]);
    await runIn(context, options, { container, network, rootfs });
    // It takes the kernel as long to take a namespace away as it takes to read what the step has changed.
    const closing = network.close();
    if ((await readdir(rootfs.upper)).length > 0) {
      const latest = options.latest === undefined ? {} : { latest: options.latest };
      await options.keep(context.tars.read({ folder: rootfs.upper, overlay: {}, ...latest }, signal));
    }
    await closing;
  } finally {
    await network.close();
    await context.snapshotter.removeRootfs(id);
    for (const left of [folder, join(context.bundles, id)]) await rm(left, { recursive: true, force: true });
  }
}

/** A network that is being opened while other things are prepared. */
interface OpeningNetwork {
  readonly opened: Promise<StepNetwork>;
  /** Closes it when it is open; the same every time. */
  close(): Promise<void>;
}

function networkFor(context: RunContext, container: ContainerInfo, folder: string): OpeningNetwork {
  const opened = openStepNetwork(context.networks, container, folder);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= opened.then(
      (network) => {
        network.release();
        return network.close();
      },
      () => undefined,
    );
    return closing;
  };
  opened.catch(() => undefined);
  return { opened, close };
}

/** Where and as what a step runs. */
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
  const read = (path: string) =>
    readFileInRoot(context.libc, rootfs.path, path, ACCOUNTS_LIMIT)?.toString('utf8') ?? '';
  const user = userOf(step, () =>
    resolveUser(op.user, [], { passwd: read('/etc/passwd'), group: read('/etc/group') }),
  );
  const privileged = op.security === 'insecure';
  const capabilities = containerCapabilities({ add: [], drop: [], privileged }, context.capabilities);
  const gathered = await gatherDevices(context.hostFiles, container.hostConfig);
  const mounts = await options.mounts(rootfs);
  try {
    const network = await opening.opened;
    const spec = ociSpec(
      { ...container, config: { ...container.config, Env: [...container.config.Env, ...mounts.env] } },
      {
        rootfs: rootfs.path,
        mounts: mounts.mounts,
        files: network.files,
        network: network.namespace,
        user,
        capabilities,
        noNewPrivileges: false,
        apparmor: apparmorProfile(undefined, privileged, context.apparmor),
        seccomp: privileged
          ? undefined
          : seccompProfile(context.seccomp, { machine: arch, kernel: release(), capabilities }),
        cgroups: context.cgroups,
        devices: gathered.devices,
        host: gathered.resources,
        joined: {},
        shm: { kind: 'own' },
      },
    );
    const bundle = join(context.bundles, id);
    await mkdir(bundle, { mode: 0o700 });
    await writeFile(join(bundle, 'config.json'), writeOciJson(spec), { mode: 0o600 });
    const exitCode = await runStepProcess(context, id, bundle, options.output, signal);
    if (exitCode !== 0) throw new StepFailedError(step.at, op.args.join(' '), exitCode);
  } catch (error) {
    if (error instanceof StepFailedError || !isEngineError(error)) throw error;
    throw dockerfileError(step.at, `RUN: ${error.message}`, { cause: error });
  } finally {
    await mounts.close();
  }
}

function userOf<T>(step: Step, resolve: () => T): T {
  try {
    return resolve();
  } catch (error) {
    if (!isEngineError(error)) throw error;
    throw dockerfileError(step.at, `RUN: ${error.message}`, { cause: error });
  }
}
