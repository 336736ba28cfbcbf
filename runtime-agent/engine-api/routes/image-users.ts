import type { ContainerInfo } from '../../containers/container-info.ts';
import type { ImageUser } from '../../images/images.ts';
import { isUp } from '../views/status-text.ts';

/** Returns the containers that prevent the removal of images. */
export function imageUsers(containers: readonly ContainerInfo[]): readonly ImageUser[] {
  return containers.map((container) => ({
    containerId: container.id,
    imageId: container.imageId,
    imageName: container.config.Image,
    running: isUp(container.state),
  }));
}
