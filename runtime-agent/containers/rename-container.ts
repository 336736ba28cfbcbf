import { EngineError, isEngineError } from '../errors.ts';
import { publishContainerEvent } from './container-events.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { parseContainerName } from './plan/names.ts';

/** See ContainerControl.rename. */
export async function renameContainer(
  context: ContainerContext,
  live: LiveContainer,
  text: string,
): Promise<void> {
  if (text === '') throw new EngineError('bad-request', 'Neither old nor new names may be empty');
  await live.mutex.run(async () => {
    context.registry.find(live.id);
    const old = live.container.name;
    if (text.replace(/^\//, '') === old) {
      throw new EngineError('bad-request', 'Renaming a container with the same name as its current name');
    }
    const name = takeName(context, live.id, text);
    try {
      await context.table.updateSettings({ ...live.container, name });
    } catch (error) {
      context.registry.release(name, live.id);
      throw error;
    }
    live.change({ name });
    context.registry.release(old, live.id);
    context.networks.rename(live.id, name);
    publishContainerEvent(context.events, live.container, 'rename', { oldName: `/${old}` });
  });
}

function takeName(context: ContainerContext, id: string, text: string): string {
  try {
    const name = parseContainerName(text);
    context.registry.reserve(name, id);
    return name;
  } catch (error) {
    if (!isEngineError(error)) throw error;
    throw new EngineError(error.code, `Error when allocating new name: ${error.message}`, { cause: error });
  }
}
