import type { Container } from '../../containers/container.ts';
import { EngineError } from '../../errors.ts';
import type { ContainerFilesDeps, EngineDeps } from '../engine-deps.ts';

/** What a container has written, and that with its image, in bytes (Engine API, ContainerSummary). */
export async function containerSizes(
  deps: Pick<EngineDeps, 'images' | 'stopping'>,
  files: Pick<ContainerFilesDeps, 'trees'>,
  container: Container,
): Promise<{ readonly SizeRw?: number; readonly SizeRootFs: number }> {
  const written = await files.trees.writtenSize(container.id, deps.stopping);
  const image = await deps.images.get(container.imageId).catch((error: unknown) => {
    if (error instanceof EngineError && error.code === 'not-found') return { size: 0 };
    throw error;
  });
  // As in Go's JSON, nothing is left out.
  return { ...(written > 0 && { SizeRw: written }), SizeRootFs: written + image.size };
}
