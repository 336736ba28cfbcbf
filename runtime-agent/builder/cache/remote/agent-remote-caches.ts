import { readReference } from '../../../../oci/distribution/errors.ts';
import type { FolderCaches } from './folder-caches.ts';
import type { RegistryCaches } from './registry-caches.ts';
import type { CacheClient, RemoteCaches } from './remote-cache.ts';

/** Returns the RemoteCaches of an agent, by kind of location. */
export function agentRemoteCaches(
  registries: Pick<RegistryCaches, 'read' | 'write'>,
  folders: Pick<FolderCaches, 'read' | 'write'>,
): RemoteCaches {
  const credentials = (client: CacheClient, reference: string, signal: AbortSignal) =>
    client.credentials(readReference(reference).registry, signal);
  return {
    async read(place, client, signal) {
      if (place.kind === 'folder') {
        const { path, digest } = place;
        return await folders.read(path, client.folderContent(path), digest, signal);
      }
      const { reference } = place;
      return await registries.read(reference, await credentials(client, reference, signal), signal);
    },
    async write(place, client, steps, progress, signal) {
      if (place.kind === 'folder') {
        return await folders.write(client.folderContent(place.path), steps, progress, signal);
      }
      const { reference } = place;
      const access = await credentials(client, reference, signal);
      await registries.write(reference, access, steps, progress, signal);
      return undefined;
    },
  };
}
