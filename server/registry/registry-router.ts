import { KoaRouter } from '../../lib/http/koa-router.ts';
import type { RequestRouter, RequestState } from '../request-context.ts';
import { addBaseRoutes } from './base.ts';
import { addBlobRoutes } from './blobs.ts';
import { addCatalogRoutes } from './catalog.ts';
import { addManifestWriteRoutes } from './manifest-writes.ts';
import { addManifestRoutes } from './manifests.ts';
import { addReferrerRoutes } from './referrers.ts';
import { addRefusedWrites } from './refused-writes.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';
import { addSearchRoutes } from './search.ts';
import { addTagRoutes } from './tags.ts';
import { addUploadRoutes } from './uploads.ts';

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
