import type { Router } from '@koa/router';
import type { PushProgress } from '../../images/push/image-push.ts';
import { decodeRegistryAuth } from '../decode/registry-auth.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { streamProgress } from '../http/progress-stream.ts';
import { pathName } from '../http/query.ts';
import { pushLines } from '../views/push-lines.ts';

/** `POST /images/NAME/push`: a push that tells its progress (Engine API, ImagePush). */
export function imagePushRoutes(router: Router, deps: EngineDeps): void {
  router.post(/^\/images\/(.+)\/push$/, async (ctx) => {
    const name = pathName(ctx.captures);
    const tag = ctx.URL.searchParams.get('tag') ?? '';
    const credentials = decodeRegistryAuth(ctx.get('X-Registry-Auth'));
    await streamProgress<PushProgress>(ctx, deps, {
      what: `push of ${name}`,
      run: (progress, signal) =>
        deps.push.push(name, {
          ...(tag === '' ? {} : { tag }),
          ...(credentials === undefined ? {} : { credentials }),
          progress,
          signal,
        }),
      messages: pushLines,
      counts: (step) => (step.kind === 'layer' ? step : undefined),
    });
  });
}
