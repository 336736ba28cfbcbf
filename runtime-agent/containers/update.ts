import { availableParallelism } from 'node:os';
import { EngineError, isEngineError } from '../errors.ts';
import { blockWeightWarnings, checkCpusets } from './check-limits.ts';
import { publishContainerEvent } from './container-events.ts';
import type { HostConfig } from './container-info.ts';
import type { ResourceChanges } from './containers.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { parseContainerName } from './plan/names.ts';
import { changedHostConfig, changedResources } from './plan/resources.ts';
import { parseRestartPolicy } from './plan/restart-policy.ts';
import { limitWarnings, validateResources } from './plan/validate-resources.ts';

/** See ContainerControl.update. */
export async function updateContainer(
  context: ContainerContext,
  live: LiveContainer,
  changes: ResourceChanges,
): Promise<readonly string[]> {
  return live.mutex.run(async () => {
    const { container } = live;
    if (container.state.status === 'removing' || container.state.status === 'dead') {
      throw cannotUpdate(live.id, new EngineError('conflict', 'container is marked for removal'));
    }
    let hostConfig: HostConfig;
    try {
      hostConfig = changedHostConfig(container.hostConfig, changes);
    } catch (error) {
      throw cannotUpdate(live.id, error);
    }
    validateResources(hostConfig, availableParallelism());
    await checkCpusets(hostConfig);
    parseRestartPolicy(hostConfig);
    const warnings = [
      ...(changes.Memory === undefined && context.host.cgroups.missing === undefined
        ? []
        : limitWarnings(hostConfig, context.host.cgroups)),
      ...blockWeightWarnings(hostConfig, context.host.cgroups),
    ];
    const resources = changedResources(hostConfig, changes, context.host.cgroups);
    if (live.run !== undefined && Object.keys(resources).length > 0) {
      try {
        await context.commands.update(live.id, resources);
      } catch (error) {
        // The limits of a container that has just exited apply to its next run.
        if (live.isAlive) throw cannotUpdate(live.id, error);
      }
    }
    live.change({ hostConfig });
    await context.table.updateSettings(live.container);
    publishContainerEvent(context.events, live.container, 'update');
    return warnings;
  });
}

function cannotUpdate(id: string, error: unknown): unknown {
  if (!isEngineError(error)) return error;
  return new EngineError(error.code, `Cannot update container ${id}: ${error.message}`, { cause: error });
}

/** See ContainerControl.rename. */
export async function renameContainer(
  context: ContainerContext,
  live: LiveContainer,
  text: string,
): Promise<void> {
  if (text === '') throw new EngineError('bad-request', 'Neither old nor new names may be empty');
  await live.mutex.run(async () => {
    context.index.find(live.id);
    const old = live.container.name;
    if (text.replace(/^\//, '') === old) {
      throw new EngineError('bad-request', 'Renaming a container with the same name as its current name');
    }
    const name = takeName(context, live.id, text);
    try {
      await context.table.updateSettings({ ...live.container, name });
    } catch (error) {
      context.index.release(name, live.id);
      throw error;
    }
    live.change({ name });
    context.index.release(old, live.id);
    context.networks.rename(live.id, name);
    publishContainerEvent(context.events, live.container, 'rename', { oldName: `/${old}` });
  });
}

function takeName(context: ContainerContext, id: string, text: string): string {
  try {
    const name = parseContainerName(text);
    context.index.reserve(name, id);
    return name;
  } catch (error) {
    if (!isEngineError(error)) throw error;
    throw new EngineError(error.code, `Error when allocating new name: ${error.message}`, { cause: error });
  }
}
