import { EngineError } from '../errors.ts';
import { type FoundImage, type ImageName, isSameRepository, isTagName } from './image-record.ts';
import type { ImageUser } from './images.ts';
import { shortDigest } from './resolve-image.ts';

/** The actions of `docker rmi`. */
export interface RemovalPlan {
  readonly untag: readonly ImageName[];
  /** Number of these that dockerd reports, from the start. */
  readonly told: number;
  readonly deleteImage: boolean;
}

/**
 * Decides as dockerd does: removing a name removes the image with its last one; an ID removes all names if they belong
 * to one repository. With force an image of stopped containers is removed, which keep their layers; one of a running
 * container is only untagged. `asked` is the image's name in the request. Throws EngineError 'conflict'.
 */
export function planRemoval(
  found: FoundImage,
  asked: string,
  options: { readonly force: boolean; readonly users: readonly ImageUser[] },
): RemovalPlan {
  const { record, name } = found;
  const users = options.users.filter(({ imageId }) => imageId === record.id);
  if (name === undefined) return planById(found, users, options.force);

  const [user] = users;
  if (user !== undefined && !options.force && isSingleName(record.names)) {
    throw new EngineError(
      'conflict',
      `conflict: unable to remove repository reference "${asked}" (must force) - container ${user.containerId.slice(0, 12)} is using its referenced image ${shortDigest(record.id)}`,
    );
  }
  const untag = [name, ...digestsLeftAlone(name, record.names)];
  const isLast = untag.length === record.names.length;
  const isFree = users.every(({ running }) => options.force && !running);
  return { untag, told: 1, deleteImage: isLast && isFree };
}

function planById({ record }: FoundImage, users: readonly ImageUser[], force: boolean): RemovalPlan {
  const refuse = (forced: string, reason: string): never => {
    throw new EngineError(
      'conflict',
      `conflict: unable to delete ${shortDigest(record.id)} (${forced} be forced) - ${reason}`,
    );
  };
  const running = users.find((user) => user.running);
  if (running !== undefined) {
    refuse('cannot', `image is being used by running container ${running.containerId.slice(0, 12)}`);
  }
  if (!force && !isSingleName(record.names)) refuse('must', 'image is referenced in multiple repositories');
  const [stopped] = users;
  if (!force && stopped !== undefined) {
    refuse('must', `image is being used by stopped container ${stopped.containerId.slice(0, 12)}`);
  }
  return { untag: record.names, told: record.names.length, deleteImage: true };
}

/** Returns digests that are removed with the last tag of their repository. */
function digestsLeftAlone(removed: ImageName, names: readonly ImageName[]): readonly ImageName[] {
  if (!isTagName(removed)) return [];
  const others = names.filter((name) => name !== removed && isSameRepository(name, removed));
  return others.some(isTagName) ? [] : others;
}

/** Reports whether there is at most one tag, and nothing in another repository. */
function isSingleName(names: readonly ImageName[]): boolean {
  const [first] = names;
  if (first === undefined) return true;
  return names.filter(isTagName).length <= 1 && names.every((name) => isSameRepository(name, first));
}
