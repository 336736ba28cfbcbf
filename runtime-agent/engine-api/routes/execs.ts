import type { Router } from '@koa/router';
import { decodeExecRequest, decodeExecStart } from '../decode/exec-request.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { readJsonBody } from '../http/json-body.ts';
import { requestSignal } from '../http/request-signal.ts';
import { streamBody } from '../http/stream-body.ts';
import { terminalSize } from '../http/terminal-size.ts';
import { streamContentType } from '../streams/content-type.ts';
import { attachmentFrames } from '../streams/relay-attachment.ts';
import { execInspect } from '../views/exec-inspect.ts';

/** Commands in containers (Engine API, "Exec"). A start that takes its connection over is in streams/exec.ts. */
export function execRoutes(router: Router, deps: EngineDeps): void {
  const { execs } = deps;

  router.post('/containers/:id/exec', async (ctx) => {
    const request = decodeExecRequest(await readJsonBody(ctx.req));
    const id = await execs.create(String(ctx.params.id), request);
    ctx.status = 201;
    ctx.body = { Id: id };
  });

  // Clients that do not take the connection over read the output, and have no way to send input.
  router.post('/exec/:id/start', async (ctx) => {
    const id = String(ctx.params.id);
    const { detach, tty, size } = decodeExecStart(await readJsonBody(ctx.req));
    const options = size === undefined ? {} : { size };
    if (detach) {
      await execs.startDetached(id, options);
      ctx.status = 200;
      ctx.body = '';
      return;
    }
    const attachment = await (await execs.start(id, options)).attachment;
    const leave = () => attachment.close();
    const signal = requestSignal(ctx.res, deps.stopping);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    attachment.endInput();
    streamBody(ctx, streamContentType(tty), attachmentFrames(attachment, tty));
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
