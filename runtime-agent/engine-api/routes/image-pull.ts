import type { Router } from '@koa/router';
import { EngineError } from '../../errors.ts';
import type { PullProgress } from '../../images/images.ts';
import { decodePlatform } from '../decode/platform.ts';
import { decodeRegistryAuth } from '../decode/registry-auth.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { streamProgress } from '../http/progress-stream.ts';
import { pullLine } from '../views/pull-lines.ts';

/** `POST /images/create?fromImage=`: a pull that tells its progress (Engine API, ImageCreate). */
export function imagePullRoutes(router: Router, deps: EngineDeps): void {
  router.post('/images/create', async (ctx) => {
    const reference = pullReference(ctx.URL.searchParams);
    const platform = decodePlatform(ctx.URL.searchParams.get('platform'));
    const credentials = decodeRegistryAuth(ctx.get('X-Registry-Auth'));
    await streamProgress<PullProgress>(ctx, deps, {
      what: `pull of ${reference}`,
      run: async (progress, signal) => {
        await deps.images.pull(reference, {
          ...(platform === undefined ? {} : { platform }),
          ...(credentials === undefined ? {} : { credentials }),
          progress,
          signal,
        });
      },
      messages: (step) => [pullLine(step)],
      counts: (step) => (step.kind === 'layer' ? step : undefined),
    });
  });
}

function pullReference(query: URLSearchParams): string {
  if (query.has('fromSrc')) {
    throw new EngineError(
      'not-implemented',
      'importing an image from a tar archive is not supported yet by berth-agent',
    );
  }
  const image = query.get('fromImage') ?? '';
  const tag = query.get('tag') ?? '';
  if (image === '') throw new EngineError('bad-request', 'fromImage is empty: name the image to pull');
  if (tag !== '') return tag.includes(':') ? `${image}@${tag}` : `${image}:${tag}`;
  if (/@[^/]+$|:[^/:]+$/.test(image)) return image;
  throw new EngineError(
    'not-implemented',
    `pulling all tags of ${image.slice(0, 200)} is not supported yet by berth-agent: name one tag`,
  );
}
