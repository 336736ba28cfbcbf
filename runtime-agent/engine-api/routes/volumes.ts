import type { Router } from '@koa/router';
import { Pace } from '../../../lib/sync/pace.ts';
import { isEngineError } from '../../errors.ts';
import { folderSize } from '../../volumes/folder-size.ts';
import { asksBefore } from '../api-version.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { booleanFilter, matchLabels, readFilters, textFilter } from '../http/filters.ts';
import { answerJson, jsonList, readJsonBody } from '../http/json.ts';
import { queryBoolean } from '../http/query.ts';
import { volumeJson } from '../views/volume.ts';

/** Create, list, inspect, remove and prune (Engine API, "Volumes"). */
export function volumeRoutes(router: Router, { volumes }: EngineDeps): void {
  router.get('/volumes', async (ctx) => {
    const filters = readFilters(ctx.URL.searchParams, ['dangling', 'driver', 'label', 'name']);
    const dangling = booleanFilter(filters, 'dangling');
    const pace = new Pace();
    const hasName = textFilter(filters, 'name') ?? (() => true);
    const drivers = filters.get('driver');
    const all = await volumes.list();
    const selected = await pace.filter(
      all,
      ({ name, labels }) =>
        (dangling === undefined || dangling === (volumes.users(name).length === 0)) &&
        hasName(name, pace) &&
        (drivers === undefined || drivers.includes('local')) &&
        matchLabels(filters.get('label'), labels),
    );
    async function* answer(): AsyncGenerator<string> {
      yield '{"Warnings":null,"Volumes":';
      yield* jsonList(Iterator.from(selected).map(volumeJson));
      yield '}';
    }
    await answerJson(ctx, answer());
  });

  router.post('/volumes/create', async (ctx) => {
    const body = await readJsonBody(ctx.req);
    const volume = await volumes.create({
      name: body.string('Name'),
      driver: body.string('Driver'),
      labels: body.stringMap('Labels'),
      options: body.stringMap('DriverOpts'),
    });
    ctx.status = 201;
    ctx.body = volumeJson(volume);
  });

  router.post('/volumes/prune', async (ctx) => {
    const filters = readFilters(ctx.URL.searchParams, ['all', 'label', 'label!']);
    // Before version 1.42 a prune also removed named volumes.
    const all = booleanFilter(filters, 'all') ?? asksBefore(ctx, '1.42');
    const unwanted = filters.get('label!');
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const { name, labels, anonymous, mountpoint, options } of await volumes.list()) {
      // dockerd keeps volumes with options, whose content is elsewhere.
      if (Object.keys(options).length > 0) continue;
      if (volumes.users(name).length > 0 || (!anonymous && !all)) continue;
      if (!matchLabels(filters.get('label'), labels)) continue;
      if (unwanted?.some((label) => matchLabels([label], labels))) continue;
      const size = await folderSize(mountpoint);
      try {
        await volumes.remove(name, true);
        reclaimed += size;
        deleted.push(name);
      } catch (error) {
        // A container uses it by now.
        if (!(isEngineError(error) && error.code === 'conflict')) throw error;
      }
    }
    ctx.body = { VolumesDeleted: deleted, SpaceReclaimed: reclaimed };
  });

  router.get('/volumes/:name', async (ctx) => {
    ctx.body = volumeJson(await volumes.get(String(ctx.params.name)));
  });

  router.delete('/volumes/:name', async (ctx) => {
    await volumes.remove(String(ctx.params.name), queryBoolean(ctx.URL.searchParams, 'force'));
    ctx.status = 204;
  });
}
