import type { Router } from '@koa/router';
import { Pace } from '../../../lib/sync/pace.ts';
import { EngineError } from '../../errors.ts';
import type { NetworkWithMembers } from '../../networks/networks.ts';
import { asksBefore } from '../api-version.ts';
import { decodeEndpoint } from '../decode/create-request.ts';
import { decodeNetworkRequest } from '../decode/network-request.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { booleanFilter, type Filters, matchLabels, readFilters, textFilter } from '../http/filters.ts';
import { answerJson, jsonList, readJsonBody } from '../http/json.ts';
import { untilFilter } from '../http/until-filter.ts';
import { networkView } from '../views/network-view.ts';

/** Create, list, inspect, remove, prune, connect and disconnect (Engine API, "Networks"). */
export function networkRoutes(router: Router, { networks, containers }: EngineDeps): void {
  router.get('/networks', async (ctx) => {
    const filters = readFilters(ctx.URL.searchParams, [
      'dangling',
      'driver',
      'id',
      'label',
      'name',
      'scope',
      'type',
    ]);
    for (const type of filters.get('type') ?? []) {
      if (type !== 'builtin' && type !== 'custom') {
        throw new EngineError('bad-request', `invalid filter: 'type'='${type.slice(0, 80)}'`);
      }
    }
    const dangling = booleanFilter(filters, 'dangling');
    const pace = new Pace();
    const hasId = textFilter(filters, 'id') ?? (() => true);
    const hasName = textFilter(filters, 'name') ?? (() => true);
    const selected = await pace.filter(
      networks.list(),
      (entry) =>
        hasId(entry.network.id, pace) &&
        hasName(entry.network.name, pace) &&
        matches(entry, filters, dangling),
    );
    const shows = asksBefore(ctx, '1.28');
    await answerJson(ctx, jsonList(Iterator.from(selected).map((entry) => networkView(entry, shows))));
  });

  router.post('/networks/create', async (ctx) => {
    const request = decodeNetworkRequest(await readJsonBody(ctx.req));
    const id = await networks.create(request);
    ctx.status = 201;
    ctx.body = { Id: id, Warning: '' };
  });

  router.post('/networks/prune', async (ctx) => {
    const filters = readFilters(ctx.URL.searchParams, ['label', 'label!', 'until']);
    const until = untilFilter(filters, Date.now());
    const unwanted = filters.get('label!');
    const deleted = await networks.prune(
      ({ labels, createdAt }) =>
        matchLabels(filters.get('label'), labels) &&
        !(unwanted?.some((label) => matchLabels([label], labels)) ?? false) &&
        (until === undefined || Date.parse(createdAt) < until),
    );
    ctx.body = { NetworksDeleted: deleted.length === 0 ? null : deleted };
  });

  router.get('/networks/:id', (ctx) => {
    ctx.body = networkView(networks.get(String(ctx.params.id)), true);
  });

  router.delete('/networks/:id', async (ctx) => {
    await networks.remove(String(ctx.params.id));
    ctx.status = 204;
  });

  router.post('/networks/:id/connect', async (ctx) => {
    const body = await readJsonBody(ctx.req);
    const settings = decodeEndpoint(body.fields('EndpointConfig'));
    const network = String(ctx.params.id);
    await containers.connect(body.string('Container'), network, settings);
    ctx.status = 200;
    ctx.body = '';
  });

  router.post('/networks/:id/disconnect', async (ctx) => {
    const body = await readJsonBody(ctx.req);
    body.boolean('Force');
    await containers.disconnect(body.string('Container'), String(ctx.params.id));
    ctx.status = 200;
    ctx.body = '';
  });
}

function matches(
  { network, members }: NetworkWithMembers,
  filters: Filters,
  dangling: boolean | undefined,
): boolean {
  const any = (key: string, holds: (value: string) => boolean) => filters.get(key)?.some(holds) ?? true;
  return (
    any('driver', (value) => network.driver === value) &&
    any('scope', (value) => value === 'local') &&
    any('type', (value) => (value === 'builtin') === network.predefined) &&
    (dangling === undefined || dangling === (!network.predefined && members.length === 0)) &&
    matchLabels(filters.get('label'), network.labels)
  );
}
