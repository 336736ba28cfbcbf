import type { Router } from '@koa/router';
import { EngineError } from '../../errors.ts';
import type { PullOptions, PullProgress } from '../../images/images.ts';
import { decodePlatform } from '../../images/read-platform.ts';
import { decodeRegistryAuth } from '../decode/registry-auth.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { streamProgress } from '../http/progress-stream.ts';
import { pullLine } from '../views/pull-lines.ts';

/** `POST /images/create?fromImage=`: a pull that tells its progress (Engine API, ImageCreate). */
export function imagePullRoutes(router: Router, deps: EngineDeps): void {
  router.post('/images/create', async (ctx) => {
    const { reference, hasTag } = pullReference(ctx.URL.searchParams);
    const platform = decodePlatform(ctx.URL.searchParams.get('platform'));
    const credentials = decodeRegistryAuth(ctx.get('X-Registry-Auth'));
    await streamProgress<PullProgress>(ctx, deps, {
      what: `pull of ${reference}`,
      run: async (progress, signal) => {
        const options = {
          ...(platform === undefined ? {} : { platform }),
          ...(credentials === undefined ? {} : { credentials }),
          signal,
        };
        if (hasTag) await deps.images.pull(reference, { ...options, progress });
        else await pullAllTags(deps, reference, { ...options, progress });
      },
      messages: (step) => [pullLine(step)],
      counts: (step) => (step.kind === 'layer' ? step : undefined),
    });
  });
}

/** What is to be pulled; all tags of a repository where it has none. */
function pullReference(query: URLSearchParams): { readonly reference: string; readonly hasTag: boolean } {
  const image = query.get('fromImage') ?? '';
  const tag = query.get('tag') ?? '';
  if (image === '') throw new EngineError('bad-request', 'fromImage is empty: name the image to pull');
  if (tag !== '')
    return { reference: tag.includes(':') ? `${image}@${tag}` : `${image}:${tag}`, hasTag: true };
  return { reference: image, hasTag: /[@:]./.test(image.slice(image.lastIndexOf('/') + 1)) };
}

/** `docker pull --all-tags`: one after the other, with one word about all of them at the end. */
async function pullAllTags(deps: EngineDeps, repository: string, options: PullOptions): Promise<void> {
  const { credentials, signal } = options;
  const tags = await deps.registryQueries.tags(repository, { ...(credentials && { credentials }), signal });
  let newer = false;
  for (const tag of tags) {
    await deps.images.pull(`${repository}:${tag}`, {
      ...options,
      progress: (step) => {
        if (step.kind === 'status') newer ||= step.newer;
        else options.progress(step);
      },
    });
  }
  options.progress({ kind: 'status', newer, reference: repository });
}
