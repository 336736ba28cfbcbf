import { repositoryScope } from '../../auth/access/scope.ts';
import { isDigest } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import type { FoundManifest } from '../../storage/catalog/catalog.ts';
import { answerBytes } from '../http/answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { authorize } from './authorize.ts';
import { listReferrers, type ReferrerStep } from './list-referrers.ts';
import { nextLink } from './paging.ts';
import { digestOf, queryOf, repositoryOf } from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

/** Maximum bytes of a page, since clients refuse larger manifests (distribution-spec, "Pushing Manifests"). */
const LARGEST_PAGE = 4 * 1024 * 1024;
const HEAD = `{"schemaVersion":2,"mediaType":"${MEDIA_TYPES.ociIndex}","manifests":[`;
const TAIL = ']}';

/**
 * Lists manifests that name another as their subject (distribution-spec, "Listing Referrers"). Always an index, an
 * empty one if there is no such subject or repository.
 */
export function addReferrerRoutes(router: RequestRouter, dependencies: RegistryDependencies): void {
  router.get('/v2/*name/referrers/:digest', async (ctx) => {
    const repository = repositoryOf(ctx);
    authorize(ctx, dependencies.access, repositoryScope(repository, 'pull'));
    const subject = digestOf(ctx);
    const artifactType = queryOf(ctx, 'artifactType') || undefined;
    const last = queryOf(ctx, 'last');
    const referrers = listReferrers(dependencies, repository, subject, {
      ...(artifactType !== undefined && { artifactType }),
      ...(last !== undefined && isDigest(last) && { after: last }),
    });
    const page = await pageOf(referrers);
    const query = { ...(artifactType !== undefined && { artifactType }), last: page.next ?? '' };
    answerBytes(ctx, 200, Buffer.from(HEAD + page.descriptors.join(',') + TAIL), {
      'Content-Type': MEDIA_TYPES.ociIndex,
      'OCI-Filters-Applied': artifactType && 'artifactType',
      Link: page.next && nextLink(ctx.path, query),
    });
  });
}

interface ReferrersPage {
  /** In JSON form. */
  readonly descriptors: readonly string[];
  /** The digest from which the next page continues; undefined on the last page. */
  readonly next: string | undefined;
}

/**
 * Returns as many as fit, at least one if there is one: its annotations alone are smaller than a manifest. A page may
 * be empty without being the last, when nothing that a client has listed is here.
 */
async function pageOf(referrers: AsyncGenerator<ReferrerStep, boolean, undefined>): Promise<ReferrersPage> {
  const descriptors: string[] = [];
  let size = HEAD.length + TAIL.length;
  let last: string | undefined;
  for (let step = await referrers.next(); ; step = await referrers.next()) {
    if (step.done) return { descriptors, next: step.value ? undefined : last };
    const { digest, record } = step.value;
    if (record !== undefined) {
      const descriptor = JSON.stringify(descriptorOf(record));
      size += Buffer.byteLength(descriptor) + 1;
      if (size > LARGEST_PAGE && descriptors.length > 0) return { descriptors, next: last };
      descriptors.push(descriptor);
    }
    last = digest;
  }
}

function descriptorOf({ blob, mediaType, artifactType, annotations }: FoundManifest) {
  return {
    mediaType,
    digest: blob.digest,
    size: blob.size,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}
