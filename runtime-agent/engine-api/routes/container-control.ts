import type { Router } from '@koa/router';
import { asksBefore } from '../api-version.ts';
import { decodeUpdateRequest } from '../decode/update-request.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { readJsonBody } from '../http/json.ts';

/** `docker pause`, `unpause`, `rename` and `update` (Engine API, "Containers"). */
export function containerControlRoutes(router: Router, { control }: EngineDeps): void {
  router.post('/containers/:id/pause', async (ctx) => {
    await control.pause(String(ctx.params.id));
    ctx.status = 204;
  });

  router.post('/containers/:id/unpause', async (ctx) => {
    await control.unpause(String(ctx.params.id));
    ctx.status = 204;
  });

  router.post('/containers/:id/rename', async (ctx) => {
    await control.rename(String(ctx.params.id), ctx.URL.searchParams.get('name') ?? '');
    ctx.status = 204;
  });

  router.post('/containers/:id/update', async (ctx) => {
    const request = decodeUpdateRequest(await readJsonBody(ctx.req), !asksBefore(ctx, '1.40'));
    const updated = await control.update(String(ctx.params.id), request.changes);
    const warnings = [...updated, ...request.warnings];
    ctx.body = { Warnings: warnings.length === 0 ? null : warnings };
  });
}
