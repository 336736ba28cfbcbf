import type { ImageConfigDefaults } from '../../../oci/image-config.ts';
import { familiarReference } from '../../../oci/reference.ts';
import type { EventBus } from '../../events/event-bus.ts';
import type { Image } from '../../images/image.ts';
import type { TagName } from '../../images/image-record.ts';
import type { Images } from '../../images/images.ts';
import { composeConfig } from '../../images/pending/compose-config.ts';
import type { PendingImages } from '../../images/pending/pending-images.ts';
import { publishContainerEvent } from '../container.ts';
import type { ContainerConfig, ContainerInfo } from '../container-info.ts';
import { mergeImageConfig } from '../plan/process.ts';
import type { ContainerTrees } from './container-trees.ts';

export interface CommitDeps {
  readonly trees: ContainerTrees;
  readonly images: Images;
  readonly pendingImages: PendingImages;
  readonly events: EventBus;
}

export interface CommitOptions {
  readonly name?: TagName;
  /** The name as the client wrote it, for the event. */
  readonly shownName: string;
  readonly author: string;
  readonly comment: string;
  /** Fields of the image that replace those of the container, merged as dockerd does. */
  readonly config?: ContainerConfig;
  /** Applies the instructions of `--change`. Throws EngineError 'bad-request' for an invalid one. */
  readonly change: (config: ImageConfigDefaults) => ImageConfigDefaults;
  readonly pause: boolean;
}

/**
 * `docker commit`: makes an image of a container's image and its changes. Throws EngineError 'not-found', 'bad-request'
 * for an invalid change, 'storage-full'; then nothing remains.
 */
export async function commitContainer(
  deps: CommitDeps,
  ref: string,
  options: CommitOptions,
  signal: AbortSignal,
): Promise<Image> {
  const { trees, images, pendingImages, events } = deps;
  const pending = pendingImages.begin();
  try {
    const { container, layer, parent, config } = await trees.withLayer(
      ref,
      options,
      signal,
      async (container, tar) => {
        const config = imageConfig(container.config, options);
        const parent = await images.get(container.imageId);
        await pending.keepLayers(parent.diffIds);
        return { container, parent, config, layer: await pending.addLayer(tar, signal) };
      },
    );
    const bytes = composeConfig({
      parent: await pendingImages.readConfig(parent.id),
      platform: parent.platform,
      config,
      created: new Date(),
      author: options.author,
      createdBy: commandOf(container),
      comment: options.comment,
      layer,
    });
    signal.throwIfAborted();
    const image = await pending.finish({ config: bytes, parent: parent.id });
    if (options.name !== undefined) await images.tag(image.id, familiarReference(options.name));
    publishContainerEvent(events, container, 'commit', {
      comment: options.comment,
      imageID: image.id,
      imageRef: options.shownName,
    });
    return image;
  } finally {
    await pending.release();
  }
}

function imageConfig(
  container: ContainerConfig,
  { config, change }: Pick<CommitOptions, 'config' | 'change'>,
): ImageConfigDefaults {
  const own = imageDefaults(container);
  if (config === undefined) return change(own);
  const changed = { ...config, ...change(imageDefaults(config)) } as ContainerConfig;
  const { Shell, OnBuild } = own;
  return {
    ...(Shell && { Shell }),
    ...(OnBuild && { OnBuild }),
    ...imageDefaults(mergeImageConfig(changed, own)),
  };
}

/** Returns the image's part of a container's configuration. */
function imageDefaults(config: ContainerConfig): ImageConfigDefaults {
  const { User, ExposedPorts, Env, Entrypoint, Cmd, Volumes, WorkingDir, Labels } = config;
  const { StopSignal, Shell, OnBuild } = config;
  const healthcheck = 'Healthcheck' in config ? config.Healthcheck : undefined;
  return {
    ...(User !== '' && { User }),
    ...(ExposedPorts && Object.keys(ExposedPorts).length > 0 && { ExposedPorts }),
    ...(Env.length > 0 && { Env }),
    ...(Entrypoint !== null && Entrypoint.length > 0 && { Entrypoint }),
    ...(Cmd !== null && Cmd.length > 0 && { Cmd }),
    ...(healthcheck !== undefined && {
      Healthcheck: healthcheck as Readonly<Record<string, unknown>>,
    }),
    ...(Volumes && Object.keys(Volumes).length > 0 && { Volumes }),
    ...(WorkingDir !== '' && { WorkingDir }),
    ...(Object.keys(Labels).length > 0 && { Labels }),
    ...(StopSignal !== undefined && { StopSignal }),
    ...(Shell !== undefined && { Shell }),
    ...(OnBuild !== undefined && { OnBuild }),
  };
}

function commandOf({ config }: ContainerInfo): string {
  return (config.Cmd ?? []).join(' ');
}
