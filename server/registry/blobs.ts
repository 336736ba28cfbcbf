import { repositoryScope } from '../../auth/access/scope.ts';
import type { StoredBlob } from '../../storage/blobs/blob-driver.ts';
import { enforcePrecondition } from '../../storage/catalog/preconditions.ts';
import { BlobUnknownError } from '../../storage/errors.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty, setHeaders } from '../http/answer.ts';
import { isTheSame, matchesEntityTag, parseRange } from '../http/conditional.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { actorOf, authorize } from './authorize.ts';
import { digestOf, preconditionOf, refuseMismatch, repositoryOf } from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

/** Blobs by digest (distribution-spec, "Pulling blobs", "Deleting Blobs"). */
export function addBlobRoutes(router: RequestRouter, dependencies: RegistryDependencies): void {
  const { access, blobBodies, blobs, catalog, redirects } = dependencies;

  const find = async (ctx: RequestContext, purpose: 'to read' | 'to look'): Promise<StoredBlob> => {
    const repository = repositoryOf(ctx);
    authorize(ctx, access, repositoryScope(repository, 'pull'));
    const digest = digestOf(ctx);
    // Pushers use HEAD to skip uploads, so it extends the grace period.
    const refers =
      purpose === 'to look' && access.allows(ctx.state.identity, repositoryScope(repository, 'push'));
    const blob = refers
      ? await catalog.blobs.findToRefer(repository, digest)
      : await catalog.blobs.find(repository, digest);
    if (blob === undefined) throw new BlobUnknownError(`${repository} has no blob ${digest}`);
    return blob;
  };

  router.head('/v2/*name/blobs/:digest', async (ctx) => {
    const blob = await find(ctx, 'to look');
    refuseMismatch(ctx, blob.digest);
    if (isUnchanged(ctx, blob)) {
      answerEmpty(ctx, 304, headersOf(blob));
      return;
    }
    ctx.status = 200;
    setHeaders(ctx, { ...headersOf(blob), 'Content-Length': String(blob.size) });
  });

  router.get('/v2/*name/blobs/:digest', async (ctx) => {
    const blob = await find(ctx, 'to read');
    refuseMismatch(ctx, blob.digest);
    if (isUnchanged(ctx, blob)) {
      answerEmpty(ctx, 304, headersOf(blob));
      return;
    }
    const asker = { userAgent: ctx.get('User-Agent'), address: ctx.state.origin.remote };
    const url = redirects.includes(asker) ? await blobs.downloadUrl(blob) : undefined;
    if (url !== undefined) {
      // The storage handles ranges itself. A cached copy of this answer would contain an expired URL.
      const { 'Docker-Content-Digest': digest } = headersOf(blob);
      answerEmpty(ctx, 307, { Location: url, 'Docker-Content-Digest': digest, 'Cache-Control': 'no-store' });
      return;
    }
    const range = requestedRange(ctx, blob);
    if (range.kind === 'unsatisfiable') {
      throw new RegistryError('RANGE_INVALID', `the range lies outside the blob's ${blob.size} bytes`, {
        headers: { 'Content-Range': `bytes */${blob.size}` },
      });
    }
    const part = range.kind === 'part' ? { start: range.start, end: range.end } : undefined;
    const body = await blobBodies.open(ctx, blob, part);
    ctx.status = part === undefined ? 200 : 206;
    setHeaders(ctx, {
      ...headersOf(blob),
      'Content-Length': String(part === undefined ? blob.size : part.end - part.start + 1),
      'Content-Range': part && `bytes ${part.start}-${part.end}/${blob.size}`,
    });
    await body.send();
  });

  router.delete('/v2/*name/blobs/:digest', async (ctx) => {
    const repository = repositoryOf(ctx);
    authorize(ctx, access, repositoryScope(repository, 'delete'));
    const digest = digestOf(ctx);
    const precondition = preconditionOf(ctx);
    // A blob never changes, so the condition holds now or never.
    if (precondition !== undefined && (await catalog.blobs.find(repository, digest)) !== undefined) {
      enforcePrecondition(precondition, digest, undefined);
    }
    if (!(await catalog.blobs.unlink(repository, digest, actorOf(ctx, access, repository)))) {
      throw new BlobUnknownError(`${repository} has no blob ${digest}`);
    }
    answerEmpty(ctx, 202, { 'Docker-Content-Digest': digest });
  });
}

function headersOf(blob: StoredBlob) {
  return {
    'Content-Type': 'application/octet-stream',
    'Docker-Content-Digest': blob.digest,
    'Accept-Ranges': 'bytes',
    ETag: `"${blob.digest}"`,
  };
}

function isUnchanged(ctx: RequestContext, blob: StoredBlob): boolean {
  return matchesEntityTag(ctx.get('If-None-Match') || undefined, blob.digest);
}

/**
 * Returns the requested range, unless the content has changed, which makes a range useless to the client (RFC 9110,
 * section 13.1.5).
 */
function requestedRange(ctx: RequestContext, blob: StoredBlob) {
  const condition = ctx.get('If-Range');
  const stale = condition !== '' && !isTheSame(condition, blob.digest);
  return parseRange(stale ? undefined : ctx.get('Range') || undefined, blob.size);
}
