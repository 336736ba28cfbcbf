import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Logger } from 'pino';
import { openProcessNamespace } from '../../../lib/linux/process/process-namespace.ts';
import { EngineError } from '../../errors.ts';
import type { ContainerNetworks, NetworkFiles } from '../../networks/container-networks.ts';
import type { ActiveNetwork } from '../../networks/network.ts';
import { addToHosts, type HostsEntry } from '../../networks/plan/etc-files.ts';
import { networkMode } from '../../networks/plan/place-container.ts';
import type { EtcFiles } from '../../oci-runner/run-paths.ts';
import type { ContainerIndex } from '../container-index.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { SpecNetwork } from '../plan/oci-spec.ts';

/** The network of a starting run. */
export interface RunNetwork {
  readonly namespace: SpecNetwork;
  readonly files: EtcFiles;
  readonly active?: ActiveNetwork;
  /** Settles when the container's process may start. */
  readonly ready: Promise<void>;
  /** Releases the namespace. To be called after the runtime has joined it or failed. */
  release(): void;
}

/** Opens the network of a container: another container's, or its own as `openOwnNetwork` does. Throws EngineError. */
export async function openRunNetwork(
  { networks, index }: { readonly networks: ContainerNetworks; readonly index: ContainerIndex },
  container: ContainerInfo,
  paths: EtcFiles,
  linked: readonly HostsEntry[],
): Promise<RunNetwork> {
  const mode = networkMode(container.hostConfig.NetworkMode);
  if (mode.kind === 'container') return shareNetwork(index, mode.container);
  return await openOwnNetwork(networks, container, paths, linked);
}

/**
 * Opens the networks of a container or build step, the host's or none, and writes its /etc/hosts, hostname and resolv.conf.
 * Throws EngineError; `ContainerNetworks.close` clears the endpoints.
 */
export async function openOwnNetwork(
  networks: ContainerNetworks,
  container: ContainerInfo,
  paths: EtcFiles,
  linked: readonly HostsEntry[] = [],
): Promise<RunNetwork> {
  const mode = networkMode(container.hostConfig.NetworkMode);
  if (mode.kind !== 'networks') {
    return {
      namespace: { kind: mode.kind === 'host' ? 'host' : 'new' },
      files: await writeEtcFiles(container, paths, networks.filesWithout(container)),
      ready: Promise.resolve(),
      release: () => undefined,
    };
  }
  const { namespace, files, active, ready, release } = await networks.open(container);
  // A start that fails before it awaits `ready` reports its own error.
  ready.catch(() => undefined);
  try {
    const hosts = linked.reduce(addToHosts, files.hosts);
    return {
      namespace: namespace === undefined ? { kind: 'new' } : { kind: 'made', path: namespace },
      files: await writeEtcFiles(container, paths, { ...files, hosts }),
      active,
      ready,
      release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

/** Returns the network namespace and files of another container, which must be running. */
function shareNetwork(index: ContainerIndex, ref: string): RunNetwork {
  const other = index.find(ref);
  const namespace = other.run && openProcessNamespace(other.run, 'net');
  if (namespace === undefined) {
    throw new EngineError('conflict', `cannot join network of a non running container: ${other.id}`);
  }
  const mode = networkMode(other.info.hostConfig.NetworkMode);
  const { hosts, hostname, resolvConf } = other.paths;
  return {
    namespace: mode.kind === 'host' ? { kind: 'host' } : { kind: 'shared', path: namespace.path },
    files: { hosts, hostname, resolvConf },
    ready: Promise.resolve(),
    release: namespace.close,
  };
}

async function writeEtcFiles(
  container: ContainerInfo,
  { hosts, hostname, resolvConf }: EtcFiles,
  texts: NetworkFiles,
): Promise<EtcFiles> {
  await Promise.all([
    writeReadable(hosts, texts.hosts),
    writeReadable(hostname, `${container.config.Hostname}\n`),
    writeReadable(resolvConf, texts.resolvConf),
  ]);
  return { hosts, hostname, resolvConf };
}

/** Writes a file that every user of the container can read, regardless of the agent's umask. */
async function writeReadable(path: string, text: string): Promise<void> {
  await overwriteFile(path, text, 0o644);
}

/** Maximum bytes of an edited file; the agent's own have a few hundred. */
const LIMIT = 1 << 20;

/**
 * Edits a file of /etc, such as hosts, in place, as a running container has it mounted. A file that the container has made
 * too large is left alone and logged, so that it does not block other containers.
 */
export async function editEtcFile(log: Logger, path: string, edit: (text: string) => string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    if (size > LIMIT) {
      log.warn({ path, size }, 'a container has made its names file too large to edit; it stays unchanged');
      return;
    }
    const buffer = Buffer.alloc(size);
    const { bytesRead } = await file.read(buffer, 0, size, 0);
    await overwrite(file, edit(buffer.toString('utf8', 0, bytesRead)));
  } finally {
    await file.close();
  }
}

const { O_CREAT, O_RDWR, O_NOFOLLOW } = constants;

/**
 * Writes this text and mode to a file, which is created if it is missing. A text no longer than the old one needs no
 * free space.
 */
async function overwriteFile(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode);
  try {
    await overwrite(file, text);
    await file.chmod(mode);
  } finally {
    await file.close();
  }
}

/** Overwrites a file that is open for writing. */
async function overwrite(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  let written = 0;
  while (written < bytes.length) {
    written += (await file.write(bytes, written, bytes.length - written, written)).bytesWritten;
  }
  await file.truncate(bytes.length);
}
