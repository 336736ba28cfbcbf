import { join } from 'node:path';
import { CredentialFiles } from '../../oci/distribution/credentials/credential-files.ts';
import type { RegistryCredentials } from '../../oci/distribution/credentials/registry-credentials.ts';
import { RegistryClient } from '../../oci/distribution/registry-client.ts';
import type { RegistryMirror } from '../../oci/distribution/registry-mirror.ts';
import { openAgentDatabase } from '../../runtime-agent/database.ts';
import { EventBus } from '../../runtime-agent/events/event-bus.ts';
import { createImages } from '../../runtime-agent/images/create-images.ts';
import type { Image, Platform } from '../../runtime-agent/images/image.ts';
import type { ImageService } from '../../runtime-agent/images/image-service.ts';
import type { PullProgress } from '../../runtime-agent/images/images.ts';
import type { PendingImages } from '../../runtime-agent/images/pending/pending-images.ts';
import type { PushProgress } from '../../runtime-agent/images/push/image-push.ts';
import { ErofsLayers } from '../../runtime-agent/snapshots/erofs/erofs-layers.ts';
import type { LayerStore } from '../../runtime-agent/snapshots/layer-store.ts';
import { RootfsOverlays } from '../../runtime-agent/snapshots/rootfs-overlays.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { makeTempDir } from './temp-dir.ts';

/** The image part of an agent, in this process. */
export interface AgentImages {
  readonly images: ImageService;
  readonly pendingImages: PendingImages;
  /** Pushes, and collects the steps. */
  push(name: string, options?: PushSettings): Promise<readonly PushProgress[]>;
  readonly layerStore: LayerStore;
  readonly overlays: RootfsOverlays;
  readonly events: EventBus;
  readonly registry: RegistryClient;
  readonly dataDirectory: string;
  /** Pulls, and collects the steps. */
  pull(
    reference: string,
    options?: PullSettings,
  ): Promise<{ readonly image: Image; readonly steps: readonly PullProgress[] }>;
  /** Ends this one and opens another over the same folder, as a restart does. */
  restart(): Promise<AgentImages>;
}

export interface AgentImagesOptions {
  readonly keepLayerBlobs?: boolean;
  /** Bytes; many unless given. */
  readonly layerLimit?: number;
  /** The agent's own logins at registries. */
  readonly authFiles?: readonly string[];
  readonly mirrors?: readonly RegistryMirror[];
}

export interface PushSettings {
  readonly tag?: string;
  readonly credentials?: RegistryCredentials;
  readonly signal?: AbortSignal;
  readonly progress?: (step: PushProgress) => void;
}

export interface PullSettings {
  readonly credentials?: RegistryCredentials;
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
  readonly progress?: (step: PullProgress) => void;
}

/** Opens the image part of an agent over a fresh folder; it ends with `scope`. Needs root. */
export async function openAgentImages(
  scope: CleanupScope,
  dataDirectory?: string,
  { keepLayerBlobs = true, layerLimit = 2 ** 40, authFiles = [], mirrors = [] }: AgentImagesOptions = {},
): Promise<AgentImages> {
  const directory = dataDirectory ?? join(await makeTempDir(scope, 'agent'), 'data');
  const knex = await openAgentDatabase(directory);
  const registry = new RegistryClient({
    insecureRegistries: [],
    mirrors,
    credentials: new CredentialFiles(authFiles),
  });
  const close = async () => {
    registry.close();
    await knex.destroy();
  };
  defer(scope, close);
  const events = new EventBus();
  const layerStore = await ErofsLayers.open(directory);
  const overlays = await RootfsOverlays.open(directory, layerStore);
  const { images, pendingImages, push } = await createImages({
    dataDirectory: directory,
    knex,
    layerStore,
    registry,
    events,
    keepLayerBlobs,
    layerLimit,
    otherLayers: async () => [...(await overlays.usedLayers())],
  });
  return {
    images,
    pendingImages,
    layerStore,
    overlays,
    events,
    registry,
    dataDirectory: directory,
    pull: async (reference, { progress, signal, ...options } = {}) => {
      const steps: PullProgress[] = [];
      const image = await images.pull(reference, {
        ...options,
        signal: signal ?? new AbortController().signal,
        progress: (step) => {
          steps.push(step);
          progress?.(step);
        },
      });
      return { image, steps };
    },
    push: async (name, { progress, signal, ...options } = {}) => {
      const steps: PushProgress[] = [];
      await push.push(name, {
        ...options,
        signal: signal ?? new AbortController().signal,
        progress: (step) => {
          steps.push(step);
          progress?.(step);
        },
      });
      return steps;
    },
    restart: async () => {
      await close();
      return await openAgentImages(scope, directory, { keepLayerBlobs, layerLimit, authFiles, mirrors });
    },
  };
}
