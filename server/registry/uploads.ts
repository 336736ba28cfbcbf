import { nameOf } from '../../auth/access/access.ts';
import { repositoryScope } from '../../auth/access/scope.ts';
import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  isDigest,
  isDigestAlgorithm,
  parseDigest,
} from '../../oci/digest.ts';
import { DigestInvalidError } from '../../oci/errors.ts';
import { isRepositoryName } from '../../oci/reference.ts';
import type { DriverUpload, StoredBlob } from '../../storage/blobs/blob-driver.ts';
import { RangeInvalidError, UploadUnknownError } from '../../storage/errors.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty } from '../http/answer.ts';
import { announcedLength, hasBody } from '../http/request-body.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { actorOf, authorize } from './authorize.ts';
import { queryOf, registryPath, repositoryOf } from './parameters.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';
import { UploadBody } from './upload-body.ts';
import { chunkOf } from './upload-chunk.ts';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Pushing blobs (distribution-spec, "Pushing Blobs", "Mounting a blob from another repository"). */
export function addUploadRoutes(router: RequestRouter, dependencies: RegistryDependencies): void {
  const { access, blobs, catalog, content, uploads } = dependencies;

  const authorizePush = (ctx: RequestContext): string => {
    const repository = repositoryOf(ctx);
    const from = mountSourceOf(ctx);
    const beside = from === undefined ? [] : [repositoryScope(from, 'pull')];
    authorize(ctx, access, repositoryScope(repository, 'push'), beside);
    return repository;
  };

  // With a trailing slash, as in the specification, or without it, as people write it.
  router.post('/v2/*name/blobs/uploads', async (ctx) => {
    const repository = authorizePush(ctx);
    announcedAlgorithm(ctx);
    await catalog.quotas.refuseIfFull(repository);
    const mounted = await mountBlob(ctx, dependencies, repository);
    if (mounted !== undefined) {
      answerCreated(ctx, repository, mounted);
      return;
    }
    const digest = queryOf(ctx, 'digest');
    if (digest !== undefined) {
      const { signal } = ctx.state;
      const expected = parseDigest(digest);
      const length = announcedLength(ctx.req) ?? Number.POSITIVE_INFINITY;
      const by = actorOf(ctx, access, repository);
      if (length <= blobs.smallLimit) {
        const body = await ctx.state.bodies.readWhole(ctx.req, ctx.res, length, signal);
        const blob = await content.putBlob(repository, body, expected, signal, by);
        answerCreated(ctx, repository, blob);
        return;
      }
      const chunk = {
        content: new UploadBody(ctx),
        check: () => undefined,
        algorithm: digestAlgorithm(expected),
        ...(Number.isFinite(length) && { length }),
      };
      const blob = await uploads.store(repository, { digest: expected, chunk, by }, signal);
      answerCreated(ctx, repository, blob);
      return;
    }
    const upload = await uploads.begin(repository, nameOf(ctx.state.identity));
    answerEmpty(ctx, 202, headersOf(ctx, repository, upload));
  });

  router.get('/v2/*name/blobs/uploads/:id', async (ctx) => {
    const repository = authorizePush(ctx);
    const { upload } = await uploads.find(repository, idOf(ctx));
    answerEmpty(ctx, 204, headersOf(ctx, repository, upload));
  });

  router.patch('/v2/*name/blobs/uploads/:id', async (ctx) => {
    const repository = authorizePush(ctx);
    const id = idOf(ctx);
    const algorithm = announcedAlgorithm(ctx);
    const upload = await inOrder(ctx, repository, id, () =>
      uploads.append(repository, id, { ...chunkOf(ctx), ...(algorithm && { algorithm }) }, ctx.state.signal),
    );
    answerEmpty(ctx, 202, headersOf(ctx, repository, upload));
  });

  router.put('/v2/*name/blobs/uploads/:id', async (ctx) => {
    const repository = authorizePush(ctx);
    const id = idOf(ctx);
    const digest = parseDigest(queryOf(ctx, 'digest') ?? '');
    const algorithm = digestAlgorithm(digest);
    const chunk = hasBody(ctx.req) ? { ...chunkOf(ctx), algorithm } : undefined;
    const by = actorOf(ctx, access, repository);
    const blob = await inOrder(ctx, repository, id, () =>
      uploads.complete(repository, id, { digest, chunk, by }, ctx.state.signal),
    );
    answerCreated(ctx, repository, blob);
  });

  router.delete('/v2/*name/blobs/uploads/:id', async (ctx) => {
    const repository = authorizePush(ctx);
    await uploads.cancel(repository, idOf(ctx));
    answerEmpty(ctx, 204);
  });
}

function idOf(ctx: RequestContext): string {
  const id = ctx.params.id ?? '';
  if (!UUID.test(id))
    throw new UploadUnknownError('there is no such upload: its id is not one of this registry');
  return id;
}

/** Answers a chunk out of order with the state of the upload, so that the client can continue from there. */
async function inOrder<Result>(
  ctx: RequestContext,
  repository: string,
  id: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RangeInvalidError)) throw error;
    throw new RegistryError(error.code, error.message, {
      cause: error,
      headers: headersOf(ctx, repository, { id, size: error.size }),
    });
  }
}

/**
 * Returns the announced algorithm of the digest (distribution-spec, "Pushing a blob in chunks"). Most clients announce
 * nothing: the final digest decides, and content hashed with another algorithm is read again. Throws DigestInvalidError
 * for an unknown one, so that the client learns of it before it sends.
 */
function announcedAlgorithm(ctx: RequestContext): DigestAlgorithm | undefined {
  const algorithm = queryOf(ctx, 'digest-algorithm');
  if (algorithm !== undefined && !isDigestAlgorithm(algorithm)) {
    throw new DigestInvalidError('the digest algorithm is unknown: use sha256 or sha512');
  }
  return algorithm;
}

function headersOf(ctx: RequestContext, repository: string, { id, size }: Pick<DriverUpload, 'id' | 'size'>) {
  return {
    Location: registryPath(ctx, `${repository}/blobs/uploads/${id}${algorithmQuery(ctx)}`),
    Range: `0-${Math.max(0, size - 1)}`,
    'Docker-Upload-UUID': id,
  };
}

/** Returns the query for a Location: clients keep it, so that every chunk states the algorithm again. */
function algorithmQuery(ctx: RequestContext): string {
  const algorithm = queryOf(ctx, 'digest-algorithm');
  return algorithm === undefined ? '' : `?${new URLSearchParams({ 'digest-algorithm': algorithm })}`;
}

function answerCreated(ctx: RequestContext, repository: string, blob: StoredBlob): void {
  answerEmpty(ctx, 201, {
    Location: registryPath(ctx, `${repository}/blobs/${blob.digest}`),
    'Docker-Content-Digest': blob.digest,
  });
}

type Dependencies = Pick<RegistryDependencies, 'access' | 'catalog'>;

/** Maximum repositories that are checked for a readable one, when the client names none. */
const MOST_LOOKED_AT = 1000;

/**
 * Mounts the blob of `?mount=` in `repository`, from the repository in `from` or, without it, from any that the client
 * may read (distribution-spec, "Mounting a blob from another repository"). Returns undefined when there is nothing to
 * mount or the client lacks the right: then it uploads, and learns no more.
 */
export async function mountBlob(
  ctx: RequestContext,
  dependencies: Dependencies,
  repository: string,
): Promise<StoredBlob | undefined> {
  const digest = queryOf(ctx, 'mount');
  if (digest === undefined || !isDigest(digest)) return undefined;
  const { access, catalog } = dependencies;
  const { identity } = ctx.state;
  if (queryOf(ctx, 'from') === undefined) return mountFromAny(ctx, dependencies, repository, digest);
  const from = mountSourceOf(ctx);
  if (from === undefined || !access.allows(identity, repositoryScope(from, 'pull'))) return undefined;
  return catalog.blobs.mount(from, repository, digest, actorOf(ctx, access, repository));
}

/** Returns the repository in `from`, if it is a valid name. */
function mountSourceOf(ctx: RequestContext): string | undefined {
  const from = queryOf(ctx, 'from');
  return from !== undefined && isRepositoryName(from) ? from : undefined;
}

async function mountFromAny(
  ctx: RequestContext,
  { access, catalog }: Dependencies,
  repository: string,
  digest: Digest,
): Promise<StoredBlob | undefined> {
  for (const name of await catalog.blobs.holders(digest, MOST_LOOKED_AT)) {
    if (!access.allows(ctx.state.identity, repositoryScope(name, 'pull'))) continue;
    const mounted = await catalog.blobs.mount(name, repository, digest, actorOf(ctx, access, repository));
    if (mounted !== undefined) return mounted;
  }
  return undefined;
}
