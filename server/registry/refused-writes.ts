import { repositoryScope } from '../../auth/access/scope.ts';
import { RegistryError } from '../errors.ts';
import type { RequestRouter } from '../request-context.ts';
import { authorize } from './authorize.ts';
import { repositoryOf } from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

interface RefusedRoute {
  readonly path: string;
  readonly method: 'DELETE' | 'PATCH' | 'POST' | 'PUT';
  /** The methods that go on. */
  readonly allow: string;
}

const UPLOAD = '/v2/*name/blobs/uploads/:id';
const PUSHES: readonly RefusedRoute[] = [
  { path: '/v2/*name/manifests/:reference', method: 'PUT', allow: 'GET, HEAD' },
  { path: '/v2/*name/blobs/uploads', method: 'POST', allow: '' },
  { path: UPLOAD, method: 'PATCH', allow: 'GET, HEAD, DELETE' },
  { path: UPLOAD, method: 'PUT', allow: 'GET, HEAD, DELETE' },
];

/**
 * Refuses to delete tags, manifests and blobs where deletes are off (distribution-spec, "Content Management"), and to
 * push where the registry is read-only. Uploads can be cancelled all the same. Registered before the routes that would
 * do it. The code is one on which clients do not try again.
 */
export function addRefusedWrites(router: RequestRouter, dependencies: RegistryDependencies): void {
  const { access, deletes, readOnly } = dependencies;
  const refuse = ({ path, method, allow }: RefusedRoute, action: 'push' | 'delete', why: string) => {
    router.register(path, [method], (ctx) => {
      authorize(ctx, access, repositoryScope(repositoryOf(ctx), action));
      throw new RegistryError('METHOD_UNSUPPORTED', why, { headers: { Allow: allow } });
    });
  };
  const frozen = 'this registry is read-only for now: nothing can be pushed or deleted';
  if (readOnly) for (const route of PUSHES) refuse(route, 'push', frozen);
  if (!readOnly && deletes) return;
  const why = readOnly ? frozen : 'deletes are switched off in this registry';
  const put = readOnly ? '' : ', PUT';
  const manifests = { path: '/v2/*name/manifests/:reference', allow: `GET, HEAD${put}` };
  for (const route of [manifests, { path: '/v2/*name/blobs/:digest', allow: 'GET, HEAD' }]) {
    refuse({ ...route, method: 'DELETE' }, 'delete', why);
  }
}
