import type { ContainerInfo } from '../../containers/container-info.ts';
import { isEngineError } from '../../errors.ts';
import type { Images } from '../../images/images.ts';

/**
 * Returns the image name of each container for lists: the name it was created from, while that still names the image,
 * otherwise the image's ID. Each name is looked up once.
 */
export function imageNames(
  images: Pick<Images, 'get'>,
): (container: Pick<ContainerInfo, 'imageId' | 'config'>) => Promise<string> {
  const ids = new Map<string, Promise<string | undefined>>();
  const look = async (name: string) => {
    try {
      return (await images.get(name)).id;
    } catch (error) {
      if (isEngineError(error)) return undefined;
      throw error;
    }
  };
  return async ({ imageId, config }) => {
    const id = ids.get(config.Image) ?? look(config.Image);
    ids.set(config.Image, id);
    return (await id) === imageId ? config.Image : imageId;
  };
}
