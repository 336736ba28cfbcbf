import type { Router } from '@koa/router';
import { decodeExecRequest } from '../decode/exec-request.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { readJsonBody } from '../http/json.ts';
import { terminalSize } from '../http/query.ts';
import { execInspect } from '../views/exec-inspect.ts';

/** Commands in containers (Engine API, "Exec"). A start takes its connection over: see streams/exec.ts. */
export function execRoutes(router: Router, deps: EngineDeps): void {
  const { execs } = deps;

  router.post('/containers/:id/exec', async (ctx) => {
    const request = decodeExecRequest(await readJsonBody(ctx.req));
    const id = await execs.create(String(ctx.params.id), request);
    ctx.status = 201;
    ctx.body = { Id: id };
  });

  router.post('/exec/:id/resize', async (ctx) => {
    await execs.resize(String(ctx.params.id), terminalSize(ctx.URL.searchParams));
    ctx.status = 200;
    ctx.body = '';
  });

  router.get('/exec/:id/json', async (ctx) => {
    ctx.body = execInspect(await execs.get(String(ctx.params.id)));
  });
}
