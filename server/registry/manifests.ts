import { repositoryScope } from '../../auth/access/scope.ts';
import { MAX_MANIFEST_SIZE } from '../../oci/manifest.ts';
import type { FoundManifest } from '../../storage/catalog/catalog.ts';
import { unknownManifest } from '../../storage/errors.ts';
import { answerReady, type ReadyAnswer } from '../http/answer.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { authorize } from './authorize.ts';
import {
  type ManifestReferenceParameter,
  manifestReferenceOf,
  refuseMismatch,
  repositoryOf,
} from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

/** Manifests by tag and digest (distribution-spec, "Pulling manifests", "Checking if content exists"). */
export function addManifestRoutes(router: RequestRouter, dependencies: RegistryDependencies): void {
  const { access, answers, blobs, catalog, manifestCache } = dependencies;

  const find = async (repository: string, reference: ManifestReferenceParameter): Promise<FoundManifest> => {
    const record =
      reference.kind === 'digest'
        ? await catalog.manifests.find(repository, { digest: reference.digest })
        : reference.kind === 'tag'
          ? await catalog.manifests.find(repository, { tag: reference.tag })
          : undefined;
    if (record === undefined) throw unknownManifest(repository, reference);
    return record;
  };

  const read = async ({ blob }: FoundManifest): Promise<Buffer> => {
    const cached = manifestCache.get(blob.digest);
    if (cached !== undefined) return cached;
    const bytes = await blobs.readAll(blob, MAX_MANIFEST_SIZE);
    manifestCache.set(blob.digest, bytes);
    return bytes;
  };

  const answer = async (ctx: RequestContext): Promise<void> => {
    const keep = answers.begin(ctx);
    const repository = repositoryOf(ctx);
    const scope = repositoryScope(repository, 'pull');
    authorize(ctx, access, scope);
    const reference = manifestReferenceOf(ctx);
    const record = await find(repository, reference);
    refuseMismatch(ctx, record.blob.digest);
    const pushing = repositoryScope(repository, 'push');
    const refers = access.allows(ctx.state.identity, pushing);
    const now = Date.now();
    // Pushers check a manifest before an index refers to it, so the check extends its grace period.
    if (refers && (await catalog.blobs.findToRefer(repository, record.blob.digest)) === undefined) {
      throw unknownManifest(repository, reference);
    }
    const ready: ReadyAnswer = {
      headers: headersOf(record),
      length: record.blob.size,
      body: ctx.method === 'HEAD' ? manifestCache.get(record.blob.digest) : await read(record),
    };
    keep(scope, ready, { scope: pushing, at: refers ? now : 0 });
    answerReady(ctx, ready);
  };
  router.head('/v2/*name/manifests/:reference', answer).get('/v2/*name/manifests/:reference', answer);
}

function headersOf({ blob, mediaType }: FoundManifest) {
  return {
    'Content-Type': mediaType,
    'Docker-Content-Digest': blob.digest,
    ETag: `"${blob.digest}"`,
  };
}
