import type { ContainerControl } from './container-control.ts';
import type { ContainerContext } from './context.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';
import { renameContainer } from './rename-container.ts';
import { unlinkContainer } from './unlink-container.ts';
import { updateContainer } from './update.ts';

/** See ContainerControl. */
export function containerControl(context: ContainerContext): ContainerControl {
  const find = (ref: string) => context.registry.find(ref);
  return {
    pause: async (ref) => pauseContainer(context, find(ref)),
    unpause: async (ref) => unpauseContainer(context, find(ref)),
    rename: async (ref, name) => renameContainer(context, find(ref), name),
    unlink: async (ref) => unlinkContainer(context, ref),
    update: async (ref, changes) => updateContainer(context, find(ref), changes),
  };
}
