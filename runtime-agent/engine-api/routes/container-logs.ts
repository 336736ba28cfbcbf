import type { Router } from '@koa/router';
import type { LogOptions } from '../../containers/containers.ts';
import { logDetails } from '../../containers/plan/log-options.ts';
import { EngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { streamBody } from '../http/json.ts';
import { decodeTimestamp, queryBoolean } from '../http/query.ts';
import { logFrames } from '../streams/log-frames.ts';
import { streamContentType } from '../streams/raw-answer.ts';

/** `GET /containers/{id}/logs` (Engine API, ContainerLogs). */
export function containerLogRoutes(router: Router, deps: EngineDeps): void {
  router.get('/containers/:id/logs', async (ctx) => {
    const query = ctx.URL.searchParams;
    const options = logOptions(query);
    const container = await deps.containers.get(String(ctx.params.id));
    const signal = requestSignal(ctx.res, deps.stopping);
    const lines = await deps.containers.logs(container.id, options, signal);
    const tty = container.config.Tty;
    const timestamps = queryBoolean(query, 'timestamps');
    const details = queryBoolean(query, 'details')
      ? { details: logDetails(container, container.hostConfig.LogConfig.Config) }
      : {};
    const type = streamContentType(tty, ctx.state.apiVersion);
    streamBody(ctx, type, logFrames(lines, { tty, timestamps, ...details, signal }));
  });
}

function logOptions(query: URLSearchParams): LogOptions {
  const stdout = queryBoolean(query, 'stdout');
  const stderr = queryBoolean(query, 'stderr');
  if (!stdout && !stderr) {
    throw new EngineError('bad-request', 'Bad parameters: you must choose at least one stream');
  }
  const tail = query.get('tail') ?? '';
  const since = decodeTimestamp(query, 'since');
  const until = decodeTimestamp(query, 'until');
  return {
    stdout,
    stderr,
    follow: queryBoolean(query, 'follow'),
    // As in dockerd, an invalid number means all.
    ...(/^\d{1,9}$/.test(tail) ? { tail: Number(tail) } : {}),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
}
