import { availableParallelism } from 'node:os';
import type { CgroupLayout } from '../../lib/linux/cgroups/cgroups.ts';
import { EngineError, isEngineError } from '../errors.ts';
import type { ContainerNetworks } from '../networks/container-networks.ts';
import type { Container } from './container.ts';
import type { ContainerIndex } from './container-index.ts';
import type { ResourceChanges } from './containers.ts';
import type { HostConfig } from './host-config.ts';
import { parseContainerName } from './plan/names.ts';
import { changedHostConfig, changedResources } from './plan/resources.ts';
import { parseRestartPolicy } from './plan/restart-policy.ts';
import {
  blockWeightWarnings,
  checkCpusets,
  limitWarnings,
  validateResources,
} from './plan/validate-resources.ts';

/** See ContainerControl.update. */
export async function updateContainer(
  container: Container,
  changes: ResourceChanges,
  cgroups: CgroupLayout,
): Promise<readonly string[]> {
  return container.lock(async () => {
    const { id, info } = container;
    if (info.state.status === 'removing' || info.state.status === 'dead') {
      throw cannotUpdate(id, new EngineError('conflict', 'container is marked for removal'));
    }
    let hostConfig: HostConfig;
    try {
      hostConfig = changedHostConfig(info.hostConfig, changes);
    } catch (error) {
      throw cannotUpdate(id, error);
    }
    validateResources(hostConfig, availableParallelism());
    await checkCpusets(hostConfig);
    parseRestartPolicy(hostConfig);
    const warnings = [
      ...(changes.Memory === undefined && cgroups.missing === undefined
        ? []
        : limitWarnings(hostConfig, cgroups)),
      ...blockWeightWarnings(hostConfig, cgroups),
    ];
    const resources = changedResources(hostConfig, changes, cgroups);
    if (container.run !== undefined && Object.keys(resources).length > 0) {
      try {
        await container.commands.update(id, resources);
      } catch (error) {
        // The limits of a container that has just exited apply to its next run.
        if (container.isAlive) throw cannotUpdate(id, error);
      }
    }
    await container.changeSettings({ hostConfig });
    container.publish('update');
    return warnings;
  });
}

function cannotUpdate(id: string, error: unknown): unknown {
  if (!isEngineError(error)) return error;
  return new EngineError(error.code, `Cannot update container ${id}: ${error.message}`, { cause: error });
}

/** See ContainerControl.rename. */
export async function renameContainer(
  container: Container,
  text: string,
  { index, networks }: { readonly index: ContainerIndex; readonly networks: ContainerNetworks },
): Promise<void> {
  if (text === '') throw new EngineError('bad-request', 'Neither old nor new names may be empty');
  await container.lock(async () => {
    container.checkExists();
    const { id } = container;
    const old = container.info.name;
    if (text.replace(/^\//, '') === old) {
      throw new EngineError('bad-request', 'Renaming a container with the same name as its current name');
    }
    const name = takeName(index, id, text);
    try {
      await container.changeSettings({ name });
    } catch (error) {
      index.release(name, id);
      throw error;
    }
    index.release(old, id);
    networks.rename(id, name);
    container.publish('rename', { oldName: `/${old}` });
  });
}

/** See ContainerControl.setReady. */
export async function setContainerReady(
  container: Container,
  isReady: boolean,
  networks: ContainerNetworks,
): Promise<void> {
  await container.lock(async () => {
    container.checkExists();
    const changed = Object.entries(container.info.networks).map(
      ([name, settings]) => [name, { ...settings, isWaiting: !isReady }] as const,
    );
    container.change({ networks: Object.fromEntries(changed) });
    networks.refresh(container.info);
    await container.save();
  });
}

function takeName(index: ContainerIndex, id: string, text: string): string {
  try {
    const name = parseContainerName(text);
    index.reserve(name, id);
    return name;
  } catch (error) {
    if (!isEngineError(error)) throw error;
    throw new EngineError(error.code, `Error when allocating new name: ${error.message}`, { cause: error });
  }
}
