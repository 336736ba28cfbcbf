import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Knex } from 'knex';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../storage/blobs/filesystem/filesystem-driver.ts';
import type { EventBus } from '../events/event-bus.ts';
import type { RegistryClient } from '../registry/registry-client.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';
import { ImageCatalog } from './image-catalog.ts';
import { ImageService } from './image-service.ts';

export interface CreateImagesOptions {
  readonly dataDirectory: string;
  /** From openAgentDatabase. */
  readonly knex: Knex;
  readonly snapshotter: Snapshotter;
  readonly registry: RegistryClient;
  readonly events: EventBus;
}

/** Opens the images of a host, with manifests and configurations in `<dataDirectory>/content`, and sweeps what a killed agent left. */
export async function createImages(options: CreateImagesOptions): Promise<ImageService> {
  const driver = await openFilesystemDriver(join(options.dataDirectory, 'content'));
  for await (const { id } of driver.listUploads()) await driver.abortUpload({ id, size: 0, detail: '' });
  const service = new ImageService({
    catalog: new ImageCatalog(options.knex, new BlobStore(driver)),
    snapshotter: options.snapshotter,
    registry: options.registry,
    events: options.events,
    igzip: await isInstalled('igzip'),
  });
  await service.sweep();
  return service;
}

async function isInstalled(program: string): Promise<boolean> {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    try {
      await access(join(folder, program));
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES') throw error;
    }
  }
  return false;
}
