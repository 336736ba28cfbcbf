import type { Router } from '@koa/router';
import type { WaitCondition, WaitResult } from '../../containers/containers.ts';
import { EngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { errorAnswer } from '../error-status.ts';
import { requestSignal } from '../http/connection-end.ts';
import { streamBody } from '../http/json-answer.ts';

const CONDITIONS: readonly WaitCondition[] = ['not-running', 'next-exit', 'removed'];

/**
 * `POST /containers/{id}/wait`. The headers leave once the wait is registered: `docker run` starts the
 * container only after it has them (Engine API, ContainerWait).
 */
export function containerWaitRoutes(router: Router, deps: EngineDeps): void {
  router.post('/containers/:id/wait', async (ctx) => {
    const asked = ctx.URL.searchParams.get('condition') || 'not-running';
    const condition = CONDITIONS.find((name) => name === asked);
    if (condition === undefined) {
      throw new EngineError('bad-request', `invalid condition: "${asked.slice(0, 80)}"`);
    }
    const signal = requestSignal(ctx.res, deps.stopping);
    const { result } = await deps.containers.wait(String(ctx.params.id), condition, signal);

    async function* answer(): AsyncIterable<string> {
      yield `${JSON.stringify(await result.then(exitView, failureView))}\n`;
    }
    streamBody(ctx, 'application/json', answer());
  });
}

function exitView(result: WaitResult): object {
  return {
    StatusCode: result.exitCode,
    ...(result.error === undefined || result.error === '' ? {} : { Error: { Message: result.error } }),
  };
}

function failureView(error: unknown): object {
  return { StatusCode: -1, Error: { Message: errorAnswer(error).message } };
}
