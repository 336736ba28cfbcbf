import { open } from 'node:fs/promises';
import type { Logger } from 'pino';
import { overwrite, overwriteFile } from '../../../lib/linux/files/overwrite-file.ts';
import { openProcessNamespace } from '../../../lib/linux/process/process-namespace.ts';
import { EngineError } from '../../errors.ts';
import type { ActiveNetwork } from '../../networks/network.ts';
import { addToHosts, type HostsEntry } from '../../networks/plan/hosts-file.ts';
import { networkMode } from '../../networks/plan/network-mode.ts';
import type { RunPaths } from '../../oci-runner/run-paths.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerFiles } from '../plan/mounts.ts';
import type { SpecNetwork } from '../plan/oci-spec.ts';

/** The network of a run that is being started. */
export interface RunNetwork {
  readonly namespace: SpecNetwork;
  readonly files: Pick<ContainerFiles, 'hosts' | 'hostname' | 'resolvConf'>;
  readonly active?: ActiveNetwork;
  /** Settles when the container's process may start. */
  readonly ready: Promise<void>;
  /** Releases the namespace. To be called after the runtime has joined it or failed. */
  release(): void;
}

/**
 * Opens the network of a container and writes its /etc/hosts, hostname and resolv.conf. Throws EngineError;
 * `context.networks.close` clears the endpoints.
 */
export async function openRunNetwork(
  context: ContainerContext,
  container: ContainerInfo,
  paths: RunPaths,
  linked: readonly HostsEntry[],
): Promise<RunNetwork> {
  const mode = networkMode(container.hostConfig.NetworkMode);
  if (mode.kind === 'container') return shareNetwork(context, mode.container);
  if (mode.kind !== 'networks') {
    const files = await writeEtcFiles(container, paths, context.networks.filesWithout(container));
    return {
      namespace: { kind: mode.kind === 'host' ? 'host' : 'new' },
      files,
      ready: Promise.resolve(),
      release: () => undefined,
    };
  }
  const opened = await context.networks.open(container);
  try {
    const hosts = linked.reduce(addToHosts, opened.files.hosts);
    const files = await writeEtcFiles(container, paths, { ...opened.files, hosts });
    const namespace =
      opened.namespace === undefined
        ? ({ kind: 'new' } as const)
        : ({ kind: 'made', path: opened.namespace } as const);
    const { active, ready, release } = opened;
    return { namespace, files, active, ready, release };
  } catch (error) {
    opened.release();
    throw error;
  }
}

/** Returns the network namespace and files of another container, which must run. */
function shareNetwork(context: ContainerContext, ref: string): RunNetwork {
  const other = context.index.find(ref);
  const namespace = other.run && openProcessNamespace(other.run, 'net');
  if (namespace === undefined) {
    throw new EngineError('conflict', `cannot join network of a non running container: ${other.id}`);
  }
  const mode = networkMode(other.container.hostConfig.NetworkMode);
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
  paths: RunPaths,
  texts: { readonly hosts: string; readonly resolvConf: string },
): Promise<RunNetwork['files']> {
  const { hosts, hostname, resolvConf } = paths;
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

/** Maximum bytes of an edited file; the agent's own have some hundred. */
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
      log.warn(
        { path, size },
        'a container has made its file of names too large to be changed, and it stays',
      );
      return;
    }
    const buffer = Buffer.alloc(size);
    const { bytesRead } = await file.read(buffer, 0, size, 0);
    await overwrite(file, edit(buffer.toString('utf8', 0, bytesRead)));
  } finally {
    await file.close();
  }
}
