import { repositoryScope } from '../../auth/access/scope.ts';
import type { DriverUpload, StoredBlob } from '../../storage/blobs/blob-driver.ts';
import { RangeInvalidError, UploadUnknownError } from '../../storage/errors.ts';
import { isDigest, parseDigest } from '../../storage/oci/digest.ts';
import { isRepositoryName } from '../../storage/oci/repository-name.ts';
import { RegistryError } from '../errors.ts';
import { answerEmpty } from '../http/answer.ts';
import { hasBody, requestBody } from '../http/request-body.ts';
import type { RequestContext } from '../request-context.ts';
import { authorize } from './authorize.ts';
import { queryOf, repositoryOf } from './parameters.ts';
import type { RegistryDependencies, RegistryRouter } from './registry-dependencies.ts';
import { chunkOf } from './upload-chunk.ts';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Pushing blobs (distribution-spec, "Pushing Blobs", "Mounting a blob from another repository"). */
export function addUploadRoutes(router: RegistryRouter, dependencies: RegistryDependencies): void {
  const { access, catalog, content, uploads } = dependencies;

  const authorizePush = (ctx: RequestContext): string => {
    const repository = repositoryOf(ctx);
    authorize(ctx, access, repositoryScope(repository, 'push'));
    return repository;
  };

  /** Undefined when there is nothing to mount or it may not be: then the client uploads, and learns no more. */
  const mount = async (ctx: RequestContext, repository: string): Promise<StoredBlob | undefined> => {
    const digest = queryOf(ctx, 'mount');
    const from = queryOf(ctx, 'from');
    if (digest === undefined || from === undefined) return undefined;
    if (!isDigest(digest) || !isRepositoryName(from)) return undefined;
    if (!access.allows(ctx.state.identity, repositoryScope(from, 'pull'))) return undefined;
    return catalog.blobs.mount(from, repository, digest);
  };

  router.post('/v2/*name/blobs/uploads/', async (ctx) => {
    const repository = authorizePush(ctx);
    const mounted = await mount(ctx, repository);
    if (mounted !== undefined) {
      answerCreated(ctx, repository, mounted);
      return;
    }
    const digest = queryOf(ctx, 'digest');
    if (digest !== undefined) {
      const body = requestBody(ctx.req, ctx.res);
      const blob = await content.putBlob(repository, body, parseDigest(digest), ctx.state.signal);
      answerCreated(ctx, repository, blob);
      return;
    }
    const upload = await uploads.begin(repository);
    answerEmpty(ctx, 202, headersOf(repository, upload));
  });

  router.get('/v2/*name/blobs/uploads/:id', async (ctx) => {
    const repository = authorizePush(ctx);
    const { upload } = await uploads.find(repository, idOf(ctx));
    answerEmpty(ctx, 204, headersOf(repository, upload));
  });

  router.patch('/v2/*name/blobs/uploads/:id', async (ctx) => {
    const repository = authorizePush(ctx);
    const id = idOf(ctx);
    const upload = await inOrder(repository, id, () =>
      uploads.append(repository, id, chunkOf(ctx), ctx.state.signal),
    );
    answerEmpty(ctx, 202, headersOf(repository, upload));
  });

  router.put('/v2/*name/blobs/uploads/:id', async (ctx) => {
    const repository = authorizePush(ctx);
    const id = idOf(ctx);
    const digest = parseDigest(queryOf(ctx, 'digest') ?? '');
    const chunk = hasBody(ctx.req) ? chunkOf(ctx) : undefined;
    const blob = await inOrder(repository, id, () =>
      uploads.complete(repository, id, digest, chunk, ctx.state.signal),
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

/** A chunk out of order is answered with where the upload stands, so that the client can go on from there. */
async function inOrder<Result>(repository: string, id: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RangeInvalidError)) throw error;
    throw new RegistryError(error.code, error.message, {
      cause: error,
      headers: headersOf(repository, { id, size: error.size }),
    });
  }
}

function headersOf(repository: string, { id, size }: Pick<DriverUpload, 'id' | 'size'>) {
  return {
    Location: `/v2/${repository}/blobs/uploads/${id}`,
    Range: `0-${Math.max(0, size - 1)}`,
    'Docker-Upload-UUID': id,
  };
}

function answerCreated(ctx: RequestContext, repository: string, blob: StoredBlob): void {
  answerEmpty(ctx, 201, {
    Location: `/v2/${repository}/blobs/${blob.digest}`,
    'Docker-Content-Digest': blob.digest,
  });
}
