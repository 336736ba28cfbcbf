import type { Images } from '../images/images.ts';
import type { Container, ContainerBase } from './container.ts';

/**
 * What a container stands on. Its image may have gone by force while it did not run. Containers of an earlier agent have their
 * image still. Throws EngineError 'not-found'.
 */
export async function containerBase(
  { images }: { readonly images: Pick<Images, 'get'> },
  { base, imageId }: Pick<Container, 'base' | 'imageId'>,
): Promise<ContainerBase> {
  if (base !== undefined) return base;
  const { diffIds, platform } = await images.get(imageId);
  return { diffIds, platform };
}
