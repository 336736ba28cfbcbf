import { repositoryScope } from '../../auth/access/scope.ts';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import { RegistryError } from '../errors.ts';
import { answerBytes, answerJson } from '../http/answer.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import { authorize, unauthorized } from './authorize.ts';
import { addBlobRoutes } from './blobs.ts';
import { addCatalogRoutes, addTagRoutes } from './lists.ts';
import { addManifestWriteRoutes } from './manifest-writes.ts';
import { addManifestRoutes } from './manifests.ts';
import { repositoryOf } from './parameters.ts';
import { addReferrerRoutes } from './referrers.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';
import { addSearchRoutes } from './search.ts';
import { addUploadRoutes } from './uploads.ts';

/** Headers of every answer below /v2/. Old docker clients recognise version 2 only by this. */
export const REGISTRY_HEADERS: Readonly<Record<string, string>> = {
  'Docker-Distribution-Api-Version': 'registry/2.0',
};

/** The routes of the OCI distribution API. Each file registers HEAD before GET, which would answer it too. */
export function createRegistryRouter(dependencies: RegistryDependencies): RequestRouter {
  const router: RequestRouter = new KoaRouter<RequestState>({
    sensitive: true,
    ...(dependencies.pathPrefix !== '' && { prefix: dependencies.pathPrefix }),
  });
  addRefusedWrites(router, dependencies);
  addBaseRoutes(router, dependencies);
  addCatalogRoutes(router, dependencies);
  addManifestRoutes(router, dependencies);
  addManifestWriteRoutes(router, dependencies);
  addBlobRoutes(router, dependencies);
  addUploadRoutes(router, dependencies);
  addTagRoutes(router, dependencies);
  addReferrerRoutes(router, dependencies);
  addSearchRoutes(router, dependencies);
  return router;
}

/**
 * `GET /v2/` (distribution-spec, "Determining Support"). podman, skopeo and docker read the challenge only from this
 * answer, so it requires credentials even if some repositories do not. With the slash or without: people and probes
 * omit it. `GET /` is what load balancers request by default, and what people open in a browser.
 */
function addBaseRoutes(router: RequestRouter, { access, pathPrefix }: RegistryDependencies): void {
  router.get('/', (ctx) => {
    const logins = access.open ? '' : ` People of an identity provider log in at ${pathPrefix}/auth/.`;
    const welcome = `This is a Berth registry, for docker and similar clients.${logins}\n`;
    answerBytes(ctx, 200, Buffer.from(welcome), { 'Content-Type': 'text/plain; charset=utf-8' });
  });

  const handle = (ctx: RequestContext) => {
    // A token without rights also satisfies the challenge.
    if (!access.open && ctx.req.headers.authorization === undefined) throw unauthorized(ctx);
    answerJson(ctx, 200, {});
  };
  router.head('/v2', handle).get('/v2', handle);
}

interface RefusedRoute {
  readonly path: string;
  readonly method: 'DELETE' | 'PATCH' | 'POST' | 'PUT';
  /** The allowed methods. */
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
 * Refuses to delete tags, manifests and blobs if deletes are disabled (distribution-spec, "Content Management"), and to
 * push if the registry is read-only. Uploads can still be cancelled. Must be registered before the routes that write.
 * Clients do not retry on its code.
 */
function addRefusedWrites(router: RequestRouter, dependencies: RegistryDependencies): void {
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
