import { setTimeout as sleep } from 'node:timers/promises';
import type { Router } from '@koa/router';
import type { StatsSample } from '../../containers/stats/container-stats.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { streamBody } from '../http/json.ts';
import { queryBoolean } from '../http/query.ts';
import { statsView } from '../views/stats-view.ts';

/** Milliseconds between two samples. */
const PERIOD = 1_000;

/** `docker stats` and `docker top` (Engine API, ContainerStats, ContainerTop). */
export function containerStatsRoutes(router: Router, deps: EngineDeps): void {
  const { containers, stats, host } = deps;

  router.get('/containers/:id/stats', async (ctx) => {
    const query = ctx.URL.searchParams;
    const streams = !query.has('stream') || queryBoolean(query, 'stream');
    const once = queryBoolean(query, 'one-shot');
    if (streams && once) {
      throw new EngineError('bad-request', 'cannot have stream=true and one-shot=true');
    }
    const { id } = await containers.get(String(ctx.params.id));
    const signal = requestSignal(ctx.res, deps.stopping);
    // The name may change during the stream.
    const view = async (sample: StatsSample | undefined, before: StatsSample | undefined) =>
      statsView(await containers.get(id), sample, before, host.memory);

    if (!streams) {
      const first = await stats.sample(id);
      if (once || first === undefined) {
        ctx.body = await view(first, undefined);
        return;
      }
      await sleep(PERIOD, undefined, { signal });
      ctx.body = await view(await stats.sample(id), first);
      return;
    }

    async function* samples(): AsyncIterable<string> {
      let before: StatsSample | undefined;
      try {
        for (;;) {
          const sample = await stats.sample(id);
          yield `${JSON.stringify(await view(sample, before))}\n`;
          before = sample;
          await sleep(PERIOD, undefined, { signal });
        }
      } catch (error) {
        // Removing a container ends the stream, as does the client.
        const isGone = isEngineError(error) && error.code === 'not-found';
        if (!isGone && !signal.aborted) throw error;
      }
    }
    streamBody(ctx, 'application/json', samples());
  });

  router.get('/containers/:id/top', async (ctx) => {
    const psArgs = ctx.URL.searchParams.get('ps_args') || '-ef';
    const signal = requestSignal(ctx.res, deps.stopping);
    const { titles, processes } = await stats.top(String(ctx.params.id), psArgs, signal);
    ctx.body = { Processes: processes, Titles: titles };
  });
}
