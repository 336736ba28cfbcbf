import type { Router } from '@koa/router';
import type { Context } from 'koa';
import { trimEndOf } from '../../../lib/pattern/trim.ts';
import type { ContainerArchive, PathStat } from '../../containers/files/container-archive.ts';
import { EngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { streamBody } from '../http/json.ts';
import { queryBoolean } from '../http/query.ts';

/** `docker cp` both ways (Engine API, ContainerArchiveInfo, ContainerArchive, PutContainerArchive). */
export function containerArchiveRoutes(router: Router, deps: EngineDeps, archive: ContainerArchive): void {
  router.head('/containers/:id/archive', async (ctx) => {
    const { id, path, signal } = asked(ctx, deps);
    answerStat(ctx, await archive.stat(id, path, signal));
    ctx.status = 200;
    ctx.body = '';
  });

  router.get('/containers/:id/archive', async (ctx) => {
    const { id, path, signal } = asked(ctx, deps);
    const { stat, tar } = await archive.read(id, path, signal);
    answerStat(ctx, stat);
    streamBody(ctx, 'application/x-tar', tar);
  });

  router.put('/containers/:id/archive', async (ctx) => {
    const { id, path, signal } = asked(ctx, deps);
    const query = ctx.URL.searchParams;
    const options = {
      noOverwriteDirNonDir: queryBoolean(query, 'noOverwriteDirNonDir'),
      copyUidGid: queryBoolean(query, 'copyUIDGID'),
    };
    // The socket must stay usable for the answer, even if the tar is refused before its end.
    const body = ctx.req.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    await archive.extract(id, path, body, options, signal);
    ctx.status = 200;
    ctx.body = '';
  });
}

/** Maximum bytes of a path including its end, and of each name in it (limits.h). */
const MAX_PATH = 4095;
const MAX_NAME = 255;

function asked(ctx: Context, deps: EngineDeps) {
  const path = ctx.URL.searchParams.get('path') ?? '';
  const isTooLong = Buffer.byteLength(path) > MAX_PATH;
  if (isTooLong || path.split('/').some((name) => Buffer.byteLength(name) > MAX_NAME)) {
    throw new EngineError('bad-request', `the path is longer than Linux allows: ${path.slice(0, 100)}…`);
  }
  return {
    id: String(ctx.params.id),
    path,
    signal: requestSignal(ctx.res, deps.stopping),
  };
}

function answerStat(ctx: Context, stat: PathStat): void {
  ctx.set('X-Docker-Container-Path-Stat', pathStatHeader(stat));
}

/** The value of X-Docker-Container-Path-Stat: base64 of JSON. */
function pathStatHeader({ name, size, mode, mtime, linkTarget }: PathStat): string {
  const text = JSON.stringify({ name, size, mode, mtime: goTime(mtime), linkTarget });
  return Buffer.from(text).toString('base64');
}

/** Formats RFC 3339 in UTC with as many fractional digits as needed. */
function goTime(nanoseconds: bigint): string {
  const second = 1_000_000_000n;
  const rest = ((nanoseconds % second) + second) % second;
  const whole = new Date(Number((nanoseconds - rest) / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = rest === 0n ? '' : `.${trimEndOf(String(rest).padStart(9, '0'), '0')}`;
  return `${whole}${fraction}Z`;
}
