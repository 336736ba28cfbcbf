import { repositoryScope } from '../../auth/access/scope.ts';
import type { ManifestRecord } from '../../storage/catalog/catalog.ts';
import { MEDIA_TYPES } from '../../storage/oci/media-types.ts';
import { answerJson } from '../http/answer.ts';
import { authorize } from './authorize.ts';
import { digestOf, queryOf, repositoryOf } from './parameters.ts';
import type { RegistryDependencies, RegistryRouter } from './registry-dependencies.ts';

/**
 * Manifests that name another as their subject (distribution-spec, "Listing Referrers"). Always an index, an
 * empty one where there is no such subject or repository.
 */
export function addReferrerRoutes(router: RegistryRouter, { access, catalog }: RegistryDependencies): void {
  router.get('/v2/*name/referrers/:digest', async (ctx) => {
    const repository = repositoryOf(ctx);
    authorize(ctx, access, repositoryScope(repository, 'pull'));
    const all = await catalog.manifests.referrers(repository, digestOf(ctx));
    const wanted = queryOf(ctx, 'artifactType') || undefined;
    const shown = all.filter(({ artifactType }) => wanted === undefined || artifactType === wanted);
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: shown.map(descriptorOf) };
    answerJson(ctx, 200, index, {
      'Content-Type': MEDIA_TYPES.ociIndex,
      'OCI-Filters-Applied': wanted && 'artifactType',
    });
  });
}

function descriptorOf({ blob, mediaType, artifactType, annotations }: ManifestRecord) {
  return {
    mediaType,
    digest: blob.digest,
    size: blob.size,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}
