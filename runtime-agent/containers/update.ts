import { availableParallelism } from 'node:os';
import { EngineError, isEngineError } from '../errors.ts';
import { blockWeightWarnings } from './block-weight-warnings.ts';
import { checkCpusets } from './check-limits.ts';
import type { HostConfig } from './container.ts';
import type { ResourceChanges } from './container-control.ts';
import { publishContainerEvent } from './container-events.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { limitWarnings } from './plan/limit-warnings.ts';
import { changedHostConfig, changedResources } from './plan/resource-changes.ts';
import { parseRestartPolicy } from './plan/restart-policy.ts';
import { validateResources } from './plan/validate-resources.ts';

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
      ...(changes.Memory === undefined && context.cgroups.missing === undefined
        ? []
        : limitWarnings(hostConfig, context.cgroups)),
      ...blockWeightWarnings(hostConfig, context.cgroups),
    ];
    const resources = changedResources(hostConfig, changes, context.cgroups);
    if (live.run !== undefined && Object.keys(resources).length > 0) {
      try {
        await context.commands.update(live.id, resources);
      } catch (error) {
        // One that has just ended has the limits from its next run on.
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
