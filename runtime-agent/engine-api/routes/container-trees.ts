import type { Router } from '@koa/router';
import { changeConfig } from '../../builder/change-config.ts';
import { commitContainer } from '../../containers/files/commit-container.ts';
import { decodeCommitConfig } from '../decode/create-request.ts';
import type { ContainerFilesDeps, EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { answerJson, jsonList, readJsonBody, streamBody } from '../http/json.ts';
import { queryBoolean } from '../http/query.ts';
import { tagOf } from './tag-of.ts';

const KINDS = { modified: 0, added: 1, deleted: 2 } as const;

/** `docker diff`, `export` and `commit` (Engine API, ContainerChanges, ContainerExport, ImageCommit). */
export function containerTreeRoutes(router: Router, deps: EngineDeps, files: ContainerFilesDeps): void {
  router.get('/containers/:id/changes', async (ctx) => {
    const changes = await files.trees.changes(String(ctx.params.id), requestSignal(ctx.res, deps.stopping));
    const items = Iterator.from(changes).map(({ path, kind }) => ({ Path: path, Kind: KINDS[kind] }));
    await answerJson(ctx, jsonList(items));
  });

  router.get('/containers/:id/export', async (ctx) => {
    const tar = await files.trees.export(String(ctx.params.id), requestSignal(ctx.res, deps.stopping));
    streamBody(ctx, 'application/octet-stream', tar);
  });

  router.post('/commit', async (ctx) => {
    const query = ctx.URL.searchParams;
    const name = tagOf(query);
    const config = decodeCommitConfig(await readJsonBody(ctx.req));
    const changes = query.getAll('changes').flatMap((text) => text.split('\n'));
    const image = await commitContainer(
      { ...files, images: deps.images, events: deps.events },
      query.get('container') ?? '',
      {
        ...(name && { name }),
        ...(config && { config }),
        shownName: query.get('repo') ?? '',
        author: query.get('author') ?? '',
        comment: query.get('comment') ?? '',
        change: (config) => changeConfig(config, changes),
        pause: !query.has('pause') || queryBoolean(query, 'pause'),
      },
      requestSignal(ctx.res, deps.stopping),
    );
    ctx.status = 201;
    ctx.body = { Id: image.id };
  });
}
