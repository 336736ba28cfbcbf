import type { Router } from '@koa/router';
import type { Context } from 'koa';
import { METRICS_TYPE } from '../../../lib/metrics/metric-set.ts';
import { API_VERSION, asksBefore, MIN_API_VERSION } from '../api-version.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { readJsonBody } from '../http/json.ts';
import { systemInfo } from '../views/system-info.ts';

/** Formats nanoseconds since 1970. */
function rfc3339(nano: bigint): string {
  const seconds = new Date(Number(nano / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(nano % 1_000_000_000n).padStart(9, '0')}Z`;
}

/** `/_ping`, `/version`, `/info` and `/auth` (Engine API, "System"). */
export function systemRoutes(router: Router, deps: EngineDeps): void {
  const { host } = deps;

  router.get('/_ping', (ctx) => {
    ctx.set('Cache-Control', 'no-cache, no-store, must-revalidate');
    ctx.set('Pragma', 'no-cache');
    // Clients build with BuildKit, and fall back to the classic API themselves.
    ctx.set('Builder-Version', '2');
    ctx.set('Swarm', 'inactive');
    ctx.type = 'text/plain; charset=utf-8';
    ctx.body = 'OK';
  });

  const { metrics } = deps;
  if (metrics !== undefined) {
    router.get('/metrics', async (ctx) => {
      ctx.body = await metrics.collect();
      ctx.set('Content-Type', METRICS_TYPE);
    });
  }

  router.get('/version', (ctx) => {
    ctx.body = {
      Platform: { Name: 'Berth' },
      Components: [
        {
          Name: 'Engine',
          Version: host.version,
          Details: {
            ApiVersion: API_VERSION,
            Arch: host.architecture,
            KernelVersion: host.kernelVersion,
            MinAPIVersion: MIN_API_VERSION,
            Os: 'linux',
          },
        },
        { Name: host.runtime.name, Version: host.runtime.version },
      ],
      Version: host.version,
      ApiVersion: API_VERSION,
      MinAPIVersion: MIN_API_VERSION,
      GitCommit: '',
      GoVersion: '',
      Os: 'linux',
      Arch: host.architecture,
      KernelVersion: host.kernelVersion,
    };
  });

  router.get('/info', async (ctx) => {
    const [containers, images, warnings] = await Promise.all([
      deps.containers.list(),
      deps.images.list(),
      deps.networks.warnings(),
    ]);
    const info = systemInfo(host, containers, images.length, warnings, rfc3339(deps.events.now()));
    // Version 1.24 reports the programs that existed before runc.
    ctx.body = asksBefore(ctx, '1.25') ? { ...info, ExecutionDriver: '<not supported>' } : info;
  });

  router.post('/auth', async (ctx: Context) => {
    const body = await readJsonBody(ctx.req);
    const registry = body.string('serveraddress');
    const username = body.string('username');
    const password = body.string('password');
    const identityToken = body.string('identitytoken');
    const answer = await deps.checkLogin(
      registry,
      { ...(identityToken === '' ? { username, password } : { identityToken }) },
      requestSignal(ctx.res, deps.stopping),
    );
    ctx.body = { IdentityToken: answer.identityToken || identityToken, Status: 'Login Succeeded' };
  });
}
