import { repositoryScope } from '../../auth/access/scope.ts';
import { RegistryError } from '../errors.ts';
import { authorize } from './authorize.ts';
import { repositoryOf } from './parameters.ts';
import type { RegistryDependencies, RegistryRouter } from './registry-dependencies.ts';

const ROUTES = [
  ['/v2/*name/manifests/:reference', 'GET, HEAD, PUT'],
  ['/v2/*name/blobs/:digest', 'GET, HEAD'],
] as const;

/**
 * Refuses to delete tags, manifests and blobs, where deletes are off (distribution-spec, "Content Management").
 * Uploads can be cancelled all the same. Registered before the routes that would delete.
 */
export function addRefusedDeletes(router: RegistryRouter, { access }: RegistryDependencies): void {
  for (const [path, allow] of ROUTES) {
    router.delete(path, (ctx) => {
      authorize(ctx, access, repositoryScope(repositoryOf(ctx), 'delete'));
      throw new RegistryError('METHOD_UNSUPPORTED', 'deletes are switched off in this registry', {
        headers: { Allow: allow },
      });
    });
  }
}
