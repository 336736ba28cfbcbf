import type { ContainerInfo } from '../../containers/container-info.ts';
import { isEngineError } from '../../errors.ts';
import type { ContainerFilesDeps, EngineDeps } from '../engine-deps.ts';

/** Returns the bytes of a container's changes, and those including its image (Engine API, ContainerInspect). */
export async function containerSizes(
  deps: Pick<EngineDeps, 'images' | 'stopping'>,
  files: Pick<ContainerFilesDeps, 'trees'>,
  container: ContainerInfo,
): Promise<{ readonly SizeRw: number; readonly SizeRootFs: number }> {
  const written = await files.trees.writtenSize(container.id, deps.stopping);
  const image = await deps.images.get(container.imageId).catch((error: unknown) => {
    if (isEngineError(error) && error.code === 'not-found') return { size: 0 };
    throw error;
  });
  return { SizeRw: written, SizeRootFs: written + image.size };
}

/** Like containerSizes, for lists, where unchanged sizes are omitted (Engine API, ContainerSummary). */
export async function listedSizes(
  ...args: Parameters<typeof containerSizes>
): Promise<{ readonly SizeRw?: number; readonly SizeRootFs: number }> {
  const { SizeRw, SizeRootFs } = await containerSizes(...args);
  return { ...(SizeRw > 0 && { SizeRw }), SizeRootFs };
}

/** Ignores that a container was removed meanwhile, which then has no size. */
export function unlessGone(error: unknown): undefined {
  if (isEngineError(error) && error.code === 'not-found') return undefined;
  throw error;
}
