import { createHash } from 'node:crypto';
import { repositoryScope } from '../../auth/access/scope.ts';
import type { ManifestRecord } from '../../storage/catalog/catalog.ts';
import { DigestMismatchError, ManifestUnknownError, TagInvalidError } from '../../storage/errors.ts';
import { type Digest, digestAlgorithm } from '../../storage/oci/digest.ts';
import { MAX_MANIFEST_SIZE, readManifest } from '../../storage/oci/manifest.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty } from '../http/answer.ts';
import { answerReady, type ReadyAnswer } from '../http/ready-answer.ts';
import { readAtMost, requestBody } from '../http/request-body.ts';
import type { RequestContext } from '../request-context.ts';
import { authorize } from './authorize.ts';
import { type ManifestReferenceParameter, manifestReferenceOf, repositoryOf } from './parameters.ts';
import type { RegistryDependencies, RegistryRouter } from './registry-dependencies.ts';

/** Manifests by tag and digest (distribution-spec, "Pulling manifests", "Pushing Manifests", "Deleting"). */
export function addManifestRoutes(router: RegistryRouter, dependencies: RegistryDependencies): void {
  const { access, answers, blobs, catalog, content, manifestCache } = dependencies;

  const find = async (repository: string, reference: ManifestReferenceParameter): Promise<ManifestRecord> => {
    const record =
      reference.kind === 'digest'
        ? await catalog.manifests.findByDigest(repository, reference.digest)
        : reference.kind === 'tag'
          ? await catalog.manifests.findByTag(repository, reference.tag)
          : undefined;
    if (record === undefined) throw unknownManifest(repository, reference);
    return record;
  };

  const read = async ({ blob }: ManifestRecord): Promise<Buffer> => {
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
    const record = await find(repository, manifestReferenceOf(ctx));
    const ready: ReadyAnswer = {
      headers: headersOf(record),
      length: record.blob.size,
      body: ctx.method === 'HEAD' ? manifestCache.get(record.blob.digest) : await read(record),
    };
    keep(scope, ready);
    answerReady(ctx, ready);
  };
  router.head('/v2/*name/manifests/:reference', answer).get('/v2/*name/manifests/:reference', answer);

  router.put('/v2/*name/manifests/:reference', async (ctx) => {
    const repository = repositoryOf(ctx);
    authorize(ctx, access, repositoryScope(repository, 'push'));
    const reference = manifestReferenceOf(ctx);
    if (reference.kind === 'invalid') {
      throw new TagInvalidError(
        `${JSON.stringify(reference.text.slice(0, 160))} is neither a tag nor a digest`,
      );
    }
    const bytes = await readAtMost(requestBody(ctx.req, ctx.res), MAX_MANIFEST_SIZE);
    if (bytes === undefined) {
      throw new RegistryError('MANIFEST_TOO_LARGE', `a manifest has at most ${MAX_MANIFEST_SIZE} bytes`);
    }
    const digest = verifiedDigest(bytes, reference);
    const manifest = readManifest(bytes, contentTypeOf(ctx));
    const { mediaType, artifactType, annotations, references } = manifest;
    await content.putManifest(
      repository,
      {
        bytes,
        digest,
        mediaType,
        references,
        ...(artifactType !== undefined && { artifactType }),
        ...(annotations !== undefined && { annotations }),
      },
      // Members of an index may follow it, or stay with another registry (a sparse index).
      { tags: reference.kind === 'tag' ? [reference.tag] : [], requireManifests: false },
      ctx.state.signal,
    );
    answerEmpty(ctx, 201, {
      Location: `/v2/${repository}/manifests/${digest}`,
      'Docker-Content-Digest': digest,
      'OCI-Subject': manifest.subject?.digest,
    });
  });

  router.delete('/v2/*name/manifests/:reference', async (ctx) => {
    const repository = repositoryOf(ctx);
    authorize(ctx, access, repositoryScope(repository, 'delete'));
    const reference = manifestReferenceOf(ctx);
    const deleted =
      reference.kind === 'digest'
        ? await catalog.manifests.delete(repository, reference.digest)
        : reference.kind === 'tag' && (await catalog.tags.delete(repository, reference.tag));
    if (!deleted) throw unknownManifest(repository, reference);
    answerEmpty(ctx, 202);
  });
}

function headersOf({ blob, mediaType }: ManifestRecord) {
  return {
    'Content-Type': mediaType,
    'Docker-Content-Digest': blob.digest,
    ETag: `"${blob.digest}"`,
  };
}

/** What cannot name a manifest is not there either: a client that looks for it gets one answer for both. */
function unknownManifest(repository: string, reference: ManifestReferenceParameter): ManifestUnknownError {
  const text = { digest: '', tag: '', text: '', ...reference };
  return new ManifestUnknownError(
    `${repository} has no manifest ${(text.digest || text.tag || text.text).slice(0, 160)}`,
  );
}

/** The media type without its parameters; undefined when the client sent none. */
function contentTypeOf(ctx: RequestContext): string | undefined {
  return ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase() || undefined;
}

function verifiedDigest(bytes: Buffer, reference: ManifestReferenceParameter): Digest {
  const algorithm = reference.kind === 'digest' ? digestAlgorithm(reference.digest) : 'sha256';
  const digest: Digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  if (reference.kind === 'digest' && reference.digest !== digest) {
    throw new DigestMismatchError(`the manifest has the digest ${digest}, not ${reference.digest}`);
  }
  return digest;
}
