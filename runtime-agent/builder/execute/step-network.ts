import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerInfo } from '../../containers/container-info.ts';
import type { ContainerFiles } from '../../containers/plan/mounts.ts';
import type { SpecNetwork } from '../../containers/plan/oci-spec.ts';
import { EngineError } from '../../errors.ts';
import type { ContainerNetworks, OpenedNetwork } from '../../networks/container-networks.ts';
import { networkMode } from '../../networks/plan/network-mode.ts';

/** What a step has of the network while it runs. */
export interface StepNetwork {
  readonly namespace: SpecNetwork;
  readonly files: Pick<ContainerFiles, 'hosts' | 'hostname' | 'resolvConf'>;
  /** The runtime has the namespace, or never will. */
  release(): void;
  close(): Promise<void>;
}

/** Makes a step's network, and its /etc files in `folder`. Throws EngineError. */
export async function openStepNetwork(
  networks: ContainerNetworks,
  container: ContainerInfo,
  folder: string,
): Promise<StepNetwork> {
  const mode = networkMode(container.hostConfig.NetworkMode);
  if (mode.kind === 'container') {
    throw new EngineError(
      'bad-request',
      'a build cannot share the network of a container: name a network, host or none',
    );
  }
  if (mode.kind !== 'networks') {
    const files = await writeFiles(container, folder, networks.filesWithout(container));
    const namespace = { kind: mode.kind === 'host' ? 'host' : 'new' } as const;
    return { namespace, files, release: () => undefined, close: async () => undefined };
  }
  const close = () => networks.close(container.id);
  let opened: OpenedNetwork | undefined;
  try {
    opened = await networks.open(container);
    const [files] = await Promise.all([writeFiles(container, folder, opened.files), opened.ready]);
    const namespace =
      opened.namespace === undefined
        ? ({ kind: 'new' } as const)
        : ({ kind: 'made', path: opened.namespace } as const);
    return { namespace, files, release: opened.release, close };
  } catch (error) {
    opened?.release();
    await close();
    throw error;
  }
}

async function writeFiles(
  container: ContainerInfo,
  folder: string,
  texts: { readonly hosts: string; readonly resolvConf: string },
): Promise<StepNetwork['files']> {
  const files = {
    hosts: join(folder, 'hosts'),
    hostname: join(folder, 'hostname'),
    resolvConf: join(folder, 'resolv.conf'),
  };
  await Promise.all([
    writeReadable(files.hosts, texts.hosts),
    writeReadable(files.hostname, `${container.config.Hostname}\n`),
    writeReadable(files.resolvConf, texts.resolvConf),
  ]);
  return files;
}

async function writeReadable(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await chmod(path, 0o644);
}
